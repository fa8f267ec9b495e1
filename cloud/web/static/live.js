// Keeps a page alive. It listens to the page's stream of changes and tells the parts that changed to fetch themselves
// again (htmx does the fetching). When the line is lost the page says so; when it is back, every part catches up.
"use strict";
(() => {
  const GATHER_MS = 200 + Math.random() * Number(document.body.dataset.gatherMs || 0); // many phones do not ask at once
  const SILENCE_MS = 25000; // the server speaks at least every 10 s
  const REFRESH_MS = 30000; // waiting times grow although nothing happens
  const TOLD_MS = 10000;
  const RETRY_MS = [500, 1000, 2000, 4000, 8000];
  const PARTS = ["queue", "counters", "machines", "alerts", "proposals", "tickets"];
  const ALSO = { machines: ["plan"], counters: ["plan"], queue: ["history"] };

  const url = document.body.dataset.streams;
  if (!url) return;

  const changed = new Set();
  let source = null;
  let failures = 0;
  let lost = false;
  let opened = false;
  let heardAt = Date.now();
  let lastId = "";
  let flushing = 0;

  function markOffline(off) {
    if (off === lost) return;
    lost = off;
    document.body.classList.toggle("is-offline", off);
    const note = document.querySelector("[data-offline-note]");
    note.replaceChildren(...(off ? [document.getElementById("offline-words").content.cloneNode(true)] : []));
  }

  function refresh(parts) {
    for (const part of parts) {
      changed.add(part);
      for (const other of ALSO[part] || []) changed.add(other);
    }
    if (!flushing) flushing = setTimeout(flush, GATHER_MS);
  }

  function flush() {
    flushing = 0;
    for (const part of changed) htmx.trigger(document.body, `changed-${part}`);
    changed.clear();
  }

  function heard(event) {
    heardAt = Date.now();
    if (event.lastEventId) lastId = event.lastEventId;
  }

  function connect() {
    if (source) source.close();
    heardAt = Date.now();
    source = new EventSource(lastId ? `${url}?last_event_id=${encodeURIComponent(lastId)}` : url);
    source.onopen = () => {
      heardAt = Date.now();
      failures = 0;
      // A ticket may have been called between the making of the page and this line; staff's parts follow by themselves.
      if (lost) refresh(PARTS);
      else if (!opened) refresh(["tickets"]);
      opened = true;
      markOffline(false);
    };
    source.onerror = () => {
      markOffline(true);
      if (source.readyState === EventSource.CLOSED) retry();
    };
    source.addEventListener("beat", heard);
    source.addEventListener("changed", (event) => {
      heard(event);
      refresh(event.data.split(" "));
    });
  }

  function retry() {
    const wait = RETRY_MS[Math.min(failures, RETRY_MS.length - 1)];
    failures += 1;
    setTimeout(connect, wait * (0.5 + Math.random() / 2));
  }

  // A line that died without a word: nothing heard for too long.
  setInterval(() => {
    if (source.readyState === EventSource.OPEN && Date.now() - heardAt > SILENCE_MS) {
      markOffline(true);
      connect();
    }
  }, 5000);
  setInterval(() => {
    if (!lost && !document.hidden) refresh(PARTS);
  }, REFRESH_MS);
  document.addEventListener("visibilitychange", () => {
    if (!document.hidden && !lost) refresh(PARTS);
  });

  document.body.addEventListener("htmx:sendError", () => markOffline(true));
  document.body.addEventListener("htmx:timeout", () => markOffline(true));
  document.body.addEventListener("htmx:configRequest", (event) => {
    if (event.detail.verb === "post") event.detail.headers["Idempotency-Key"] = event.detail.parameters.get("key");
  });
  document.body.addEventListener("htmx:afterRequest", (event) => {
    const { requestConfig, xhr } = event.detail;
    if (xhr.status === 401) location.reload(); // the log-in has ended: the page leads to a new one
    else if (requestConfig.verb === "post" && xhr.status) answered(xhr.status);
  });

  let telling = 0;
  function answered(status) {
    const told = document.querySelector("[data-told]");
    told.replaceChildren(...(status >= 400 ? [document.getElementById("refused-words").content.cloneNode(true)] : []));
    clearTimeout(telling);
    telling = setTimeout(() => told.replaceChildren(), TOLD_MS);
    refresh(PARTS);
  }

  document.body.addEventListener("htmx:afterSwap", () => {
    const titled = document.querySelector("[data-title]");
    if (titled) document.title = titled.dataset.title;
  });

  connect();
})();
