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
.dnilab-playground > .widget-vbox > .dnilab-heading.jupyter-button { margin: 14px 0 0; }
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
.dnilab-playground .dnilab-sweep { margin: 4px 0 0; overflow: visible; }
.dnilab-playground .dnilab-sweep > .dnilab-controls { gap: 8px 16px; margin: 4px 0 6px; }
.dnilab-playground .dnilab-sweep .dnilab-control { flex: 1 1 96px; max-width: 140px; }
.dnilab-playground .dnilab-sweep > .dnilab-controls > .dnilab-control:first-child {
  flex: 1 1 190px; max-width: 240px;
}
.dnilab-playground .dnilab-sweep-line p { margin: 2px 0 0; line-height: 1.45; max-width: 720px; }
.dnilab-playground .dnilab-map-frame { overflow-x: auto; margin: 10px 0 2px; padding: 3px; }
.dnilab-playground .dnilab-map { position: relative; flex: none; overflow: visible; }
.dnilab-playground .dnilab-map .dnilab-picture { max-width: none; margin: 0; }
.dnilab-playground .dnilab-cells { position: absolute; overflow: visible; }
.dnilab-playground .dnilab-cell.jupyter-button {
  width: auto; height: auto; margin: 0; background: transparent; box-shadow: none;
}
.dnilab-playground .dnilab-here.jupyter-button { box-shadow: inset 0 0 0 4px #D55E00; }
.dnilab-playground .dnilab-link {
  display: inline-block; padding: 3px 0; margin-right: 12px; text-decoration: underline;
  color: var(--jp-content-link-color, #0b5cad);
}
"""
