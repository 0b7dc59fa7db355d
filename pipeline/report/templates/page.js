"use strict";
// Tables: sort by heading (numbers as numbers, what is missing last), filter by words.
const sortable = (cell) => {
  const text = cell.dataset.value ?? cell.textContent.trim();
  return text === "" || text === "-" ? null : Number.isNaN(Number(text)) ? text : Number(text);
};
const compare = (a, b, sign) => {
  if (a === null || b === null) return (a === null) - (b === null);
  if (typeof a === "number" && typeof b === "number") return sign * (a - b);
  return sign * String(a).localeCompare(String(b), "en", { numeric: true });
};
const sortBy = (heading) => {
  const column = heading.cellIndex;
  const sort = heading.getAttribute("aria-sort");
  const order = sort === null ? (heading.classList.contains("n") ? "descending" : "ascending")
    : sort === "descending" ? "ascending" : "descending";
  for (const other of heading.parentElement.cells) other.removeAttribute("aria-sort");
  heading.setAttribute("aria-sort", order);
  const body = heading.closest("table").tBodies[0];
  const sign = order === "ascending" ? 1 : -1;
  const rows = [...body.rows].map((row) => [sortable(row.cells[column]), row]);
  body.append(...rows.sort((a, b) => compare(a[0], b[0], sign)).map(([, row]) => row));
};
for (const button of document.querySelectorAll("th button"))
  button.addEventListener("click", () => sortBy(button.parentElement));

for (const input of document.querySelectorAll(".filter input"))
  input.addEventListener("input", () => {
    const words = input.value.toLowerCase().split(/\s+/).filter(Boolean);
    let left = 0;
    for (const row of document.getElementById(input.getAttribute("aria-controls")).tBodies[0].rows) {
      const text = [...row.cells].map((cell) => cell.textContent).join(" ").toLowerCase();
      row.hidden = !words.every((word) => text.includes(word));
      left += !row.hidden;
    }
    input.closest(".filter").querySelector("output").textContent = `${left} rows`;
  });

const unfold = () => document.querySelectorAll("details").forEach((each) => { each.open = true; });
window.addEventListener("beforeprint", unfold);
