"use strict";
// Rows that have all the words, and the verdict. Without this script all rows are there.
(() => {
  const rows = [...document.querySelectorAll("tbody tr")].map((row) => ({ row, text: row.textContent.toLowerCase(), verdict: row.dataset.verdict }));
  const words = document.getElementById("words"), verdict = document.getElementById("verdict"), count = document.getElementById("count");
  const show = () => {
    const wanted = words.value.toLowerCase().split(/\s+/).filter(Boolean);
    let n = 0;
    for (const r of rows) {
      const on = (!verdict.value || r.verdict === verdict.value) && wanted.every((w) => r.text.includes(w));
      if (r.row.hidden === on) r.row.hidden = !on;
      if (on) n++;
    }
    count.textContent = `${n} of ${rows.length}`;
  };
  document.getElementById("filter").hidden = false;
  words.addEventListener("input", show);
  verdict.addEventListener("change", show);
  show();
  document.documentElement.dataset.ready = "yes";
})();
