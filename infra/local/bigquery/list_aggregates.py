"""Rule of the translation: an aggregate of the elements of one array, without a join.

DuckDB runs `(SELECT ANY_VALUE(e.value HAVING MIN e.rank) FROM UNNEST(row.elements) AS e WHERE …)`, and STRING_AGG with
an order alike, as a join with the distinct arrays of all rows: 8 µs of CPU a row and its memory, for every row whatever
filter follows. Its list functions take the elements where they are.
"""

from local_bigquery.sql.translate import Context
from sqlglot import exp

_KNOWN, _RANK, _VALUE, _PAIR = "list_known", "list_rank", "list_value", "list_pair"
_PARTS = {"expressions", "from_", "where"}
"""What the subquery may have; one with a join, groups or an order stays as it is."""


def aggregate_in_place(node: exp.Expression, _context: Context) -> exp.Expression:
    """Return the least element of an array, or its elements as one text, by list functions; other nodes as they are."""
    if not isinstance(node, exp.Subquery) or not isinstance(node.this, exp.Select):
        return node
    select = node.this
    elements, element = _unnested(select)
    if elements is None or element is None or not _is_plain(select, element):
        return node
    if (where := select.args.get("where")) is not None:
        elements = _call("LIST_FILTER", elements, _each(element, where.this))
    if (least := _least(select)) is not None:
        value, rank = least
        pairs = _call("LIST_TRANSFORM", elements, _each(element, _struct({_RANK: rank, _VALUE: value})))
        return _call("STRUCT_EXTRACT", _call("LIST_MIN", pairs), exp.Literal.string(_VALUE))
    if (joined := _joined(select)) is not None:
        value, rank, separator = joined
        # In BigQuery NULL is the least value, in a struct of DuckDB the greatest.
        known = exp.Not(this=exp.Is(this=rank.copy(), expression=exp.Null()))
        pair = _struct({_KNOWN: known, _RANK: rank, _VALUE: value})
        in_order = _call("LIST_SORT", _call("LIST_TRANSFORM", elements, _each(element, pair)))
        values = _call("STRUCT_EXTRACT", exp.column(_PAIR), exp.Literal.string(_VALUE))
        texts = _call("LIST_TRANSFORM", in_order, _each(exp.to_identifier(_PAIR), values))
        return _call("LIST_AGGREGATE", texts, exp.Literal.string("string_agg"), separator)
    return node


def _least(select: exp.Select) -> tuple[exp.Expression, exp.Expression] | None:
    """The value and the rank of ANY_VALUE(value HAVING MIN rank), if that is all that is selected."""
    [first, *others] = select.expressions or [None]
    bound = first.this if isinstance(first, exp.AnyValue) else None
    if others or not isinstance(bound, exp.HavingMax) or bound.args.get("max"):
        return None
    return bound.this, bound.expression


def _joined(select: exp.Select) -> tuple[exp.Expression, exp.Expression, exp.Expression] | None:
    """The value, the rank and the separator of STRING_AGG(value, separator ORDER BY rank), if that is all."""
    [first, *others] = select.expressions or [None]
    ordered = first.this if isinstance(first, exp.GroupConcat) else None
    if others or not isinstance(ordered, exp.Order) or len(ordered.expressions) != 1 or not first.args.get("separator"):
        return None
    [by] = ordered.expressions
    if by.args.get("desc") or not by.args.get("nulls_first"):
        return None
    return ordered.this, by.this, first.args["separator"]


def _call(name: str, *arguments: exp.Expression) -> exp.Anonymous:
    return exp.Anonymous(this=name, expressions=list(arguments))


def _struct(parts: dict[str, exp.Expression]) -> exp.Anonymous:
    return _call(
        "STRUCT_PACK",
        *(exp.PropertyEQ(this=exp.to_identifier(name), expression=part) for name, part in parts.items()),
    )


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
