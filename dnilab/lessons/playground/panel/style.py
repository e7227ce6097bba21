"""How the playground is laid out: controls beside the pictures, or above them in a narrow window.

Colours are the theme's, so that it reads in light and in dark.
"""

STYLE = """
.dnilab-panel.dnilab-playground { max-width: 1120px; }
.dnilab-playground .dnilab-body {
  display: flex; flex-flow: row wrap; gap: 4px 28px; overflow: visible; align-items: flex-start;
  margin: 10px 0 0;
}
.dnilab-playground .dnilab-side {
  flex: 1 1 240px; max-width: 720px; min-width: 0; overflow: visible;
}
.dnilab-playground .dnilab-main {
  flex: 999 1 500px; max-width: 720px; min-width: 0; overflow: visible;
}
.dnilab-playground .dnilab-side .dnilab-controls { gap: 8px 20px; margin: 4px 0 10px; }
.dnilab-playground .dnilab-side .dnilab-control { flex: 1 1 220px; }
.dnilab-playground .dnilab-side .dnilab-toggle { margin: -4px 0; }
.dnilab-playground .dnilab-main > .dnilab-buttons { margin-top: 0; }
.dnilab-playground .dnilab-main > .dnilab-controls { margin: 14px 0 0; gap: 8px 20px; }
.dnilab-playground .dnilab-main > .dnilab-controls > .dnilab-control { flex: 1 1 200px; }
.dnilab-playground > .dnilab-controls > .dnilab-control { flex: 1 1 280px; max-width: none; }
.dnilab-playground .dnilab-heading.jupyter-button {
  width: 100%; margin: 2px 0 0; padding: 0 4px; text-align: left; font-weight: 600;
  background: transparent; box-shadow: none; color: var(--jp-ui-font-color1, inherit);
  border-bottom: 1px solid var(--jp-border-color2, #ccc);
}
.dnilab-playground .dnilab-heading.jupyter-button:focus-visible,
.dnilab-playground button:focus-visible,
.dnilab-playground .dnilab-link:focus-visible {
  outline: 2px solid #0072B2; outline-offset: 1px;
}
.dnilab-playground .dnilab-heading i { width: 1em; }
.dnilab-playground :disabled, .dnilab-playground [disabled] { cursor: default; }
.dnilab-playground .dnilab-pins { margin: 18px 0 0; overflow: visible; }
.dnilab-playground .dnilab-pins h4 { margin: 0 0 4px; font-size: 1.05em; line-height: 1.3; }
.dnilab-playground .dnilab-pins > .dnilab-controls { gap: 8px 16px; margin: 0 0 8px; }
.dnilab-playground .dnilab-pins .dnilab-control { flex: 0 1 240px; }
.dnilab-playground .dnilab-pins .jupyter-button { margin: 0; width: 128px; }
.dnilab-playground .dnilab-pins .dnilab-links { margin: 0; width: auto; }
.dnilab-playground .dnilab-table { overflow-x: auto; margin: 2px 0 8px; }
.dnilab-playground .dnilab-table table {
  border-collapse: collapse; font-variant-numeric: tabular-nums; line-height: 1.5;
}
.dnilab-playground .dnilab-table caption {
  caption-side: bottom; text-align: left; padding: 4px 0 0; font-size: 0.92em;
  color: var(--jp-ui-font-color2, inherit);
}
.dnilab-playground .dnilab-table th, .dnilab-playground .dnilab-table td {
  padding: 2px 12px 2px 0; text-align: right; white-space: nowrap; font-weight: normal;
  border-bottom: 1px solid var(--jp-border-color2, #ccc);
}
.dnilab-playground .dnilab-table thead th { font-weight: 600; }
.dnilab-playground .dnilab-table th:first-child { text-align: left; }
.dnilab-playground > .dnilab-heading.jupyter-button { margin: 14px 0 0; }
.dnilab-playground .dnilab-sweep { margin: 4px 0 0; overflow: visible; }
.dnilab-playground .dnilab-sweep > .dnilab-controls { gap: 8px 16px; margin: 4px 0 6px; }
.dnilab-playground .dnilab-sweep .dnilab-control { flex: 1 1 96px; max-width: 140px; }
.dnilab-playground .dnilab-sweep > .dnilab-controls > .dnilab-control:first-child {
  flex: 1 1 190px; max-width: 240px;
}
.dnilab-playground .dnilab-sweep-line p { margin: 2px 0 0; line-height: 1.45; max-width: 720px; }
.dnilab-playground .dnilab-map-frame { overflow-x: auto; margin: 10px 0 2px; padding: 3px; }
.dnilab-playground .dnilab-map { gap: 3px; overflow: visible; flex: 0 1 auto; }
.dnilab-playground .dnilab-map > .widget-html {
  margin: 0; width: auto; height: auto; line-height: 1.3; font-variant-numeric: tabular-nums;
}
.dnilab-playground .dnilab-map > .dnilab-map-left {
  align-self: center; text-align: right; padding-right: 4px;
}
.dnilab-playground .dnilab-map > .dnilab-map-below { text-align: center; }
.dnilab-playground .dnilab-cell.jupyter-button {
  width: auto; height: 36px; margin: 0; padding: 0 2px; line-height: 1.2; overflow: hidden;
  font-variant-numeric: tabular-nums; border: 1px solid #7A7A7A; border-radius: 2px;
  color: #222222; background-color: #FFFFFF;
}
.dnilab-playground .dnilab-cell-waiting.jupyter-button { border-style: dashed; }
.dnilab-playground .dnilab-cell-diverged.jupyter-button {
  background-image: repeating-linear-gradient(45deg, #D0D0D0 0 1px, transparent 1px 6px);
}
.dnilab-playground .dnilab-cell-failed.jupyter-button {
  background-image: repeating-linear-gradient(90deg, #D0D0D0 0 1px, transparent 1px 6px);
}
.dnilab-playground .dnilab-cell-refused.jupyter-button {
  background-image: radial-gradient(#C4C4C4 1px, transparent 1px); background-size: 6px 6px;
}
.dnilab-playground .dnilab-cell-here.jupyter-button { box-shadow: 0 0 0 3px #D55E00; }
.dnilab-playground .dnilab-link {
  display: inline-block; padding: 3px 0; margin-right: 12px; text-decoration: underline;
  color: var(--jp-content-link-color, #0b5cad);
}
"""
