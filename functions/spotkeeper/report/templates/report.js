"use strict";
(() => {
  const root = document.documentElement;

  const store = {
    read() { try { return localStorage.getItem("spotkeeper-theme"); } catch { return null; } },
    write(theme) { try { localStorage.setItem("spotkeeper-theme", theme); } catch { /* a file may not keep anything */ } },
  };
  const toggle = document.getElementById("theme");
  const system = matchMedia("(prefers-color-scheme: dark)");
  const isDark = () => (root.dataset.theme ? root.dataset.theme === "dark" : system.matches);
  const label = () => { toggle.textContent = isDark() ? "Light" : "Dark"; };
  const kept = store.read();
  if (kept === "dark" || kept === "light") root.dataset.theme = kept;
  toggle.hidden = false;
  toggle.addEventListener("click", () => {
    root.dataset.theme = isDark() ? "light" : "dark";
    store.write(root.dataset.theme);
    label();
  });
  system.addEventListener("change", label);
  label();

  const compare = (isNumber, falling) => (left, right) => {
    if (left.value === "" || right.value === "") return (left.value === "") - (right.value === "");
    const order = isNumber
      ? Number(left.value) - Number(right.value)
      : left.value.localeCompare(right.value, "en", { numeric: true });
    return (falling ? -order : order) || left.place - right.place;
  };
  const sort = (table, heading, index) => {
    const isNumber = heading.classList.contains("number");
    const was = heading.getAttribute("aria-sort");
    const falling = was ? was === "ascending" : isNumber;
    for (const other of table.tHead.rows[0].cells) other.removeAttribute("aria-sort");
    heading.setAttribute("aria-sort", falling ? "descending" : "ascending");
    const body = table.tBodies[0];
    const rows = [...body.rows].map((row, place) => ({ row, place, value: row.cells[index].dataset.value }));
    rows.sort(compare(isNumber, falling));
    body.append(...rows.map((each) => each.row));
  };
  for (const table of document.querySelectorAll("table")) {
    [...table.tHead.rows[0].cells].forEach((heading, index) => {
      heading.querySelector("button").addEventListener("click", () => sort(table, heading, index));
    });
  }

  for (const choice of document.querySelectorAll(".choice")) {
    const select = choice.querySelector("select");
    const block = (option) => {
      const table = document.getElementById(`table-${option.value}`);
      return table.closest("details") ?? table.closest(".table-block");
    };
    const show = () => {
      for (const option of select.options) {
        const each = block(option);
        each.hidden = !option.selected;
        if (option.selected && each.tagName === "DETAILS") each.open = true;
      }
    };
    choice.hidden = false;
    select.addEventListener("change", show);
    show();
    addEventListener("beforeprint", () => { for (const option of select.options) block(option).hidden = false; });
    addEventListener("afterprint", show);
  }

  const unfold = () => { for (const each of document.querySelectorAll("details:not([open])")) { each.open = true; each.dataset.unfolded = ""; } };
  const fold = () => { for (const each of document.querySelectorAll("details[data-unfolded]")) { each.open = false; delete each.dataset.unfolded; } };
  addEventListener("beforeprint", unfold);
  addEventListener("afterprint", fold);
})();
