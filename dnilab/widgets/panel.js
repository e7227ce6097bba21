/* What ipywidgets 8 has no way to say, said in the page: the names of slider handles, the value of
   a logarithmic slider, the alternative text of a picture, whether a heading is folded.  It runs
   once in each panel that is shown, where `panel` is its outermost element.  Without it (a page may
   forbid scripts) the panel works as well, and says less to a screen reader. */
(panel) => {
  if (panel.dataset.dnilab) return;
  panel.dataset.dnilab = "named";
  const say = (element, name, words) => {
    if (element.getAttribute(name) !== words) element.setAttribute(name, words);
  };
  const OURS = "\u00a0"; // ends what we wrote, so that it is not taken for a new exponent
  let unfolded = false;

  const name = () => {
    const title = panel.querySelector(".dnilab-title")?.textContent.trim() ?? "Panel";
    for (const handle of panel.querySelectorAll(".noUi-handle")) {
      const slider = handle.closest(".widget-slider");
      say(handle, "aria-label", slider.querySelector(".widget-label").textContent);
      const off = handle.closest(".slider")?.hasAttribute("disabled") ?? false;
      say(handle, "aria-disabled", String(off));
      const text = handle.getAttribute("aria-valuetext") ?? OURS;
      const control = slider.closest(".dnilab-log");
      if (control && !text.endsWith(OURS)) {
        // The handle moves in steps; the number box has the value, unless that is still to come.
        const exact = Number(control.querySelector("input")?.value);
        const ends = ["aria-valuemax", "aria-valuemin"].map((end) => handle.getAttribute(end));
        const near = Math.abs(Math.log10(exact) - text) <= (ends[0] - ends[1]) / 200; // half a step
        const value = near ? exact : Number((10 ** text).toPrecision(2));
        say(handle, "aria-valuetext", value + OURS);
      }
    }
    for (const picture of panel.querySelectorAll("img.dnilab-picture")) {
      say(picture, "alt", `${title}: picture, described in the text that follows`);
    }
    for (const heading of panel.querySelectorAll("button.dnilab-heading")) {
      say(heading, "aria-expanded", String(heading.classList.contains("mod-active")));
    }
  };

  // A table that a reader has unfolded stays so when its numbers change.
  panel.addEventListener("toggle", (event) => { unfolded = event.target.open; }, true);
  const changed = (records) => {
    name();
    const fresh = records.flatMap((record) => [...record.addedNodes]);
    for (const one of fresh) {
      const table = one.querySelector?.(":scope > details.dnilab-numbers, details.dnilab-numbers");
      if (table || one.matches?.("details.dnilab-numbers")) (table ?? one).open = unfolded;
    }
  };
  const attributeFilter = ["aria-valuetext", "class", "disabled"];
  new MutationObserver(changed).observe(panel, {
    subtree: true, childList: true, attributes: true, attributeFilter,
  });
  name();
}
