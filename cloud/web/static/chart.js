// Draws the elements marked data-chart with uPlot, in the colours of the stylesheet, and draws them again when they
// are replaced, when the window changes and when light turns to dark.
"use strict";
(() => {
  const charts = new Map();

  function token(name) {
    return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  }

  function options(element, width) {
    const text = parseFloat(getComputedStyle(document.documentElement).fontSize);
    const font = `${0.75 * text}px ${getComputedStyle(document.body).fontFamily}`;
    const axis = { stroke: token("--ink-soft"), font, grid: { stroke: token("--line"), width: 1 }, ticks: { show: false } };
    const zone = element.dataset.timezone;
    const hour = new Intl.DateTimeFormat("zh-CN", { hour: "2-digit", minute: "2-digit", timeZone: zone, hour12: false });
    return {
      width,
      height: Math.max(150, Math.round(width / 3.8)),
      legend: { show: false },
      cursor: { show: false },
      scales: { y: { range: (_, low, high) => [0, Math.max(5, Math.ceil(high * 1.15))] } },
      axes: [
        { ...axis, space: 70, values: (_, times) => times.map((at) => hour.format(new Date(at * 1000))) },
        { ...axis, size: 2.4 * text, incrs: [1, 2, 5, 10, 20, 50, 100, 200, 500], space: 28 },
      ],
      series: [
        {},
        { stroke: token("--accent"), width: 2, fill: token("--accent-soft"), points: { show: false }, paths: uPlot.paths.stepped({ align: 1 }) },
      ],
    };
  }

  function draw(element) {
    charts.get(element)?.destroy();
    const times = JSON.parse(element.dataset.times);
    const values = JSON.parse(element.dataset.values);
    if (!times.length || !element.clientWidth) return;
    charts.set(element, new uPlot(options(element, element.clientWidth), [times, values], element));
  }

  function drawAll() {
    for (const element of charts.keys()) {
      if (!element.isConnected) {
        charts.get(element).destroy();
        charts.delete(element);
      }
    }
    document.querySelectorAll("[data-chart]").forEach(draw);
  }

  let waiting = 0;
  addEventListener("resize", () => {
    clearTimeout(waiting);
    waiting = setTimeout(drawAll, 150);
  });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", drawAll);
  document.body.addEventListener("htmx:afterSwap", (event) => {
    if (event.detail.target.querySelector("[data-chart]")) drawAll();
  });
  drawAll();
})();
