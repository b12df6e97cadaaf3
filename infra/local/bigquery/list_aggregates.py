"""Rule of the translation: an aggregate of the elements of one array, without a join.

DuckDB runs `(SELECT ANY_VALUE(e.value HAVING MIN e.rank) FROM UNNEST(row.elements) AS e WHERE …)` as a join with the
distinct arrays of all rows: 8 µs of CPU a row and its memory. Its list functions take the elements where they are.
"""

from local_bigquery.sql.translate import Context
from sqlglot import exp

_RANK, _VALUE = "list_rank", "list_value"
_PARTS = {"expressions", "from_", "where"}
"""What the subquery may have; one with a join, groups or an order stays as it is."""


def aggregate_in_place(node: exp.Expression, _context: Context) -> exp.Expression:
    """Return the least element of an array by list functions; every other node as it is."""
    if not isinstance(node, exp.Subquery) or not isinstance(node.this, exp.Select):
        return node
    select = node.this
    value, rank = _of_the_least(select)
    elements, element = _unnested(select)
    if value is None or rank is None or elements is None or element is None or not _is_plain(select, element):
        return node
    if (where := select.args.get("where")) is not None:
        elements = exp.Anonymous(this="LIST_FILTER", expressions=[elements, _each(element, where.this)])
    pair = exp.Anonymous(
        this="STRUCT_PACK",
        expressions=[
            exp.PropertyEQ(this=exp.to_identifier(name), expression=part)
            for name, part in ((_RANK, rank), (_VALUE, value))
        ],
    )
    pairs = exp.Anonymous(this="LIST_TRANSFORM", expressions=[elements, _each(element, pair)])
    least = exp.Anonymous(this="LIST_MIN", expressions=[pairs])
    return exp.Anonymous(this="STRUCT_EXTRACT", expressions=[least, exp.Literal.string(_VALUE)])


def _of_the_least(select: exp.Select) -> tuple[exp.Expression | None, exp.Expression | None]:
    """The value and the rank of ANY_VALUE(value HAVING MIN rank), if that is all that is selected."""
    [first, *others] = select.expressions or [None]
    bound = first.this if isinstance(first, exp.AnyValue) else None
    if others or not isinstance(bound, exp.HavingMax) or bound.args.get("max"):
        return None, None
    return bound.this, bound.expression


def _unnested(select: exp.Select) -> tuple[exp.Expression | None, exp.Identifier | None]:
    """The array that is read, and the name of its elements."""
    source = select.args.get("from_")
    unnest = source.this if source is not None else None
    if not isinstance(unnest, exp.Unnest) or len(unnest.expressions) != 1 or unnest.args.get("offset"):
        return None, None
    alias = unnest.args.get("alias")
    names = alias.args.get("columns") if alias is not None else None
    return unnest.expressions[0], names[0] if names and len(names) == 1 else None


def _is_plain(select: exp.Select, element: exp.Identifier) -> bool:
    """Whether nothing else is in the subquery, and each column says whether it is of an element."""
    given = {name for name, part in select.args.items() if part}
    whole = all(column.table or column.name == element.name for column in select.find_all(exp.Column))
    return given <= _PARTS and whole


def _each(element: exp.Identifier, body: exp.Expression) -> exp.Lambda:
    return exp.Lambda(this=body, expressions=[element.copy()])
