// A formula that scrolls can be reached and moved by the keyboard.
function reachable() {
  for (const one of document.querySelectorAll('mjx-container[display="true"]')) {
    if (one.scrollWidth > one.clientWidth) one.setAttribute("tabindex", "0");
    else one.removeAttribute("tabindex");
  }
}
MathJax.startup = {
  pageReady: () => MathJax.startup.defaultPageReady().then(() => {
    reachable();
    window.addEventListener("resize", reachable);
    document.body.dataset.formulas = "ready";
  }),
};
