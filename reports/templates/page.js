"use strict";
// Filter, search, sort and deep links over packages that are on the page already. Without this script all of them show.
(() => {
  const list = document.getElementById("list"), tools = document.getElementById("tools");
  const at = id => document.getElementById(id);
  const open = () => {
    const one = location.hash && at(location.hash.slice(1));
    if (one && one.tagName === "DETAILS") { one.hidden = false; one.open = true; one.scrollIntoView(); }
  };
  if (list) {
    const rows = Array.from(list.children, (element, number) => ({
      element, number,
      kind: element.classList[1],
      stage: element.dataset.stage,
      name: element.querySelector(".name").textContent,
      findings: element.getElementsByClassName("finding").length,
      text: null,
    }));
    // What is searched: the line of the package, its owner, and the titles of its findings; made when first needed.
    const text = row => row.text ??= [row.element.firstElementChild, ...row.element.querySelectorAll(".owner, h3")]
      .map(part => part.textContent).join(" ").toLowerCase();
    const names = new Intl.Collator("en", {numeric: true});
    const orders = {
      name: (a, b) => names.compare(a.name, b.name),
      findings: (a, b) => b.findings - a.findings || a.number - b.number,
      "": (a, b) => a.number - b.number,
    };
    const filter = () => {
      const words = at("search").value.toLowerCase().split(/\s+/).filter(Boolean);
      const kind = at("verdict").value, stage = at("stage").value;
      let shown = 0;
      for (const row of rows) {
        const fits = (!kind || row.kind === kind) && (!stage || row.stage === stage) && words.every(word => text(row).includes(word));
        shown += fits;
        if (row.element.hidden === fits) row.element.hidden = !fits;
      }
      at("found").value = `${shown} of ${rows.length} packages`;
    };
    const sort = () => list.append(...[...rows].sort(orders[at("sort").value]).map(row => row.element));
    tools.hidden = false;
    tools.addEventListener("input", event => { if (event.target.id === "sort") sort(); else filter(); });
    at("clear").addEventListener("click", () => {
      for (const one of tools.querySelectorAll("input, select")) one.value = "";
      sort();
      filter();
    });
    filter();
  }
  addEventListener("hashchange", open);
  open();
})();
