"use strict";
// Folding, moving from failure to failure, and words for what the pointer or the
// arrow keys are on. Without this script the page has all its content: parts
// open with the keyboard, and drawings have titles.
(() => {
  const all = () => [...document.querySelectorAll("details")];
  const fold = (open) => all().forEach((d) => { d.open = open; });
  document.querySelectorAll("[data-fold]").forEach((b) => {
    b.hidden = false;
    b.addEventListener("click", () => fold(b.dataset.fold === "open"));
  });
  document.querySelectorAll("[data-goto]").forEach((b) => {
    const part = document.getElementById(b.dataset.goto);
    if (!part) return;
    b.hidden = false;
    b.addEventListener("click", () => { part.open = true; part.scrollIntoView(); part.querySelector("summary").focus(); });
  });
  // A page inside the page is opened with its part: it measures its own text as
  // it loads, which a folded one has no room for.
  document.addEventListener("toggle", (e) => {
    if (e.target.open) e.target.querySelectorAll("iframe[data-page]:not([srcdoc])").forEach((f) => { f.srcdoc = f.dataset.page; });
  }, true);
  const tip = document.getElementById("tip");
  const show = (mark) => {
    const title = mark && mark.querySelector(":scope > title");
    tip.hidden = !title;
    if (!title) return;
    tip.textContent = title.textContent;
    const at = mark.getBoundingClientRect();
    tip.style.top = `${window.scrollY + at.bottom + 6}px`;
    tip.style.left = `${Math.max(4, Math.min(at.left, document.documentElement.clientWidth - tip.offsetWidth - 8)) + window.scrollX}px`;
  };
  document.addEventListener("pointerover", (e) => {
    if (e.target.closest) show(e.target.closest(".chart rect, .chart line, .chart circle"));
  });
  const step = (svg, by) => {
    const marks = [...svg.querySelectorAll(".op")];
    const now = marks.findIndex((m) => m.classList.contains("here"));
    const next = now < 0 ? (by > 0 ? 0 : marks.length - 1) : Math.max(0, Math.min(marks.length - 1, now + by));
    if (now >= 0) marks[now].classList.remove("here");
    if (!marks[next]) return;
    marks[next].classList.add("here");
    show(marks[next]);
  };
  document.addEventListener("focusout", () => show(null));
  document.addEventListener("keydown", (e) => {
    if (e.ctrlKey || e.metaKey || e.altKey) return;
    const svg = document.activeElement && document.activeElement.closest(".timeline");
    if (svg && (e.key === "ArrowRight" || e.key === "ArrowLeft")) {
      e.preventDefault();
      step(svg, e.key === "ArrowRight" ? 1 : -1);
    } else if (e.key === "j" || e.key === "k") {
      const heads = [...document.querySelectorAll("details > summary")];
      const now = heads.indexOf(document.activeElement);
      const next = heads[now < 0 ? 0 : Math.max(0, Math.min(heads.length - 1, now + (e.key === "j" ? 1 : -1)))];
      if (next) next.focus();
    } else if (e.key === "e") {
      fold(!all().every((d) => d.open));
    } else if (e.key === "Escape") {
      show(null);
    }
  });
  // Pictures are drawings: they stay sharp however large they are. Buttons, and the keys + - 0
  // where a picture has the focus, make them larger around the middle of what is seen.
  const zoom = (img, factor) => {
    const box = img.parentElement, was = img.getBoundingClientRect().width;
    const own = Number(img.dataset.own) || was;
    img.dataset.own = own;
    const width = factor === 0 ? own : Math.max(own / 2, Math.min(own * 32, was * factor));
    const middle = (box.scrollLeft + box.clientWidth / 2) / was;
    img.classList.toggle("zoomed", width !== own);
    img.style.width = width === own ? "" : `${width}px`;
    box.scrollLeft = middle * width - box.clientWidth / 2;
  };
  const steps = [["larger", 1.5, "+"], ["smaller", 1 / 1.5, "-"], ["as it was", 0, "0"]];
  document.querySelectorAll("figure img").forEach((img) => {
    const bar = document.createElement("div");
    bar.className = "zoom";
    steps.forEach(([name, factor]) => {
      const b = document.createElement("button");
      b.type = "button";
      b.textContent = name;
      b.addEventListener("click", () => zoom(img, factor));
      bar.append(b, " ");
    });
    img.parentElement.before(bar);
    img.parentElement.addEventListener("keydown", (e) => {
      const at = steps.find(([, , key]) => key === e.key);
      if (at && !e.ctrlKey && !e.metaKey && !e.altKey) zoom(img, at[1]);
    });
  });
  document.documentElement.dataset.ready = "yes";
})();
