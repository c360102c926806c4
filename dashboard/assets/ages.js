// Ages count on in the browser: they stay true when the screen is paused or the dashboard has gone.
(function () {
  "use strict";
  let ahead = -Infinity; // The server's clock less ours, as good as the quickest pulse has shown since one of them was set.
  const SET_SECONDS = 10; // No pulse takes so long: a clock was set.
  let lastPulse = null;
  let lastPulseSeen = Date.now() / 1000;
  let paused = false;

  function words(seconds) {
    const s = Math.max(0, Math.floor(seconds));
    if (s < 60) return s + " s";
    if (s < 3600) return Math.floor(s / 60) + " min" + (s < 600 ? " " + (s % 60) + " s" : "");
    if (s < 86400) return Math.floor(s / 3600) + " h " + Math.floor((s % 3600) / 60) + " min";
    return Math.floor(s / 86400) + " d";
  }

  function silence() {
    return Date.now() / 1000 - lastPulseSeen;
  }

  function tick() {
    const pulse = document.getElementById("pulse");
    if (!pulse) return;
    const ours = Date.now() / 1000;
    if (pulse.dataset.at !== lastPulse) {
      lastPulse = pulse.dataset.at;
      lastPulseSeen = ours;
      const told = parseFloat(lastPulse) - ours;
      ahead = told < ahead - SET_SECONDS ? told : Math.max(ahead, told);
    }
    document.querySelectorAll("time.age").forEach(function (element) {
      const seconds = ours + ahead - parseFloat(element.dataset.at);
      const text = words(seconds) + (element.dataset.after || "");
      if (element.textContent !== text) element.textContent = text;
      if (element.dataset.limit) element.classList.toggle("is-old", seconds > parseFloat(element.dataset.limit) + (paused ? 0 : parseFloat(pulse.dataset.seconds)));
    });
    const lost = !paused && silence() > 2 * parseFloat(pulse.dataset.seconds) + 8;
    document.body.classList.toggle("is-lost", lost);
    const lostFor = document.getElementById("lost-for");
    if (lost && lostFor) lostFor.textContent = words(silence());
  }
  setInterval(tick, 500);

  // The wall: no controls, and one page after the other until Esc or a double click.
  const WALL_PAGES = ["/", "/products", "/behaviour", "/platform"];
  const WALL_SECONDS = 20;
  let turning = null;

  function go(href) {
    window.dash_clientside.set_props("url", { href: href });
  }
  function onWall() {
    return new URLSearchParams(window.location.search).get("wall") === "1";
  }
  function turn() {
    const next = WALL_PAGES[(WALL_PAGES.indexOf(window.location.pathname) + 1) % WALL_PAGES.length];
    go(next + "?wall=1");
  }
  // A page of the wall is as large as fits the screen, and no larger than one laid out 1440 px wide would be; what it was is remembered for its next turn.
  const WALL_WIDTH = 1280; // A narrower screen scrolls.
  const WALL_SLACK = 1.03; // It rises for no less: a line that wraps at one size and not at the other would turn it to and fro.
  const wallZooms = {};
  function fit() {
    const root = document.documentElement;
    const page = root.classList.contains("is-wall") && window.innerWidth >= WALL_WIDTH && document.querySelector(".page");
    if (!page) return;
    const path = window.location.pathname;
    const largest = window.innerWidth / 1440;
    const now = Math.min(wallZooms[path] || largest, largest);
    const box = page.getBoundingClientRect();
    const room = (window.innerHeight - box.top - window.scrollY) / box.height;
    const fitting = Math.min(now * room * 0.998, largest);
    const drawn = parseFloat(root.style.getPropertyValue("--wall-zoom")) === now;
    wallZooms[path] = drawn && (fitting < now || fitting > now * WALL_SLACK) ? fitting : now;
    root.style.setProperty("--wall-zoom", wallZooms[path]);
  }
  setInterval(fit, 250);
  window.addEventListener("resize", fit);

  function leave() {
    if (onWall()) go(window.location.pathname);
  }
  document.addEventListener("keydown", function (event) {
    if (event.key === "Escape") leave();
  });
  document.addEventListener("dblclick", leave);

  const DRAWN_MS = 3000; // A page of History is drawn by then, or its reader has taken over.
  window.dash_clientside = window.dash_clientside || {};
  window.dash_clientside.instashop = {
    choose: function (address, seconds, clicks) {
      const path = address.replace(/\/+$/, "") || "/";
      paused = (clicks || 0) % 2 === 1;
      document.body.classList.toggle("is-paused", paused);
      const button = document.getElementById("pause");
      if (button) button.querySelector(".pause-word").textContent = paused ? "Resume" : "Pause";
      document.querySelectorAll(".nav-link").forEach(function (link) {
        if (link.getAttribute("href") === path) link.setAttribute("aria-current", "page");
        else link.removeAttribute("aria-current");
      });
      return { page: path, seconds: parseInt(seconds, 10) || 5, paused: paused };
    },
    wall: function (clicks, search, path) { // A new path is a page to turn, though the search stays.
      const nowOn = onWall();
      document.documentElement.classList.toggle("is-wall", nowOn);
      if (turning) clearTimeout(turning);
      turning = nowOn ? setTimeout(turn, WALL_SECONDS * 1000) : null;
      const asked = (window.dash_clientside.callback_context.triggered || []).some(function (one) {
        return one.prop_id === "wall.n_clicks" && one.value;
      });
      if (asked && !nowOn) go((WALL_PAGES.includes(window.location.pathname) ? window.location.pathname : "/") + "?wall=1");
      return nowOn;
    },
    lead: function (click) {
      const told = click && click.points && click.points[0].customdata;
      return told && told[1] ? told[1] : window.dash_clientside.no_update;
    },
    filter: function (measure, step, counted, category, product, kind, clicks, from, to, drawn) {
      const no = window.dash_clientside.no_update;
      if (!drawn) return no;
      const query = new URLSearchParams(drawn.query);
      const chosen = { measure: measure, step: step, counted: counted, category: category, product: product, kind: kind };
      const changed = Object.keys(chosen).filter(function (name) {
        return (chosen[name] ?? null) !== (drawn.values[name] ?? null);
      });
      changed.forEach(function (name) {
        if (chosen[name] != null) query.set(name, chosen[name]); // A category may be without a name.
        else query.delete(name);
      });
      if (changed.includes("category")) query.delete("product");
      else if (changed.includes("product")) query.delete("category");
      if (changed.length) query.delete("term");
      if (changed.includes("measure")) query.delete("kind");
      const asked = (window.dash_clientside.callback_context.triggered || []).some(function (one) {
        return one.prop_id === "history-show.n_clicks" && one.value;
      });
      const span = asked && (from || to);
      if (span) {
        ["last", "step", "from", "to"].forEach(function (name) {
          query.delete(name);
        });
        if (from) query.set("from", from.replace(" ", "T")); // Else the server begins a day before the end.
        query.set("to", (to || new Date().toISOString().slice(0, 19)).replace(" ", "T"));
      }
      return changed.length || span ? "/history?" + query.toString() : no;
    },
    take: function (answer, search) {
      const no = window.dash_clientside.no_update;
      const parts = ["className", "trouble", "span", "age", "shown"];
      if (!answer || answer.search !== search) return parts.map(() => no); // Of filters that have changed meanwhile.
      return parts.map((name) => (name in answer ? answer[name] : no));
    },
    goToRows: function (drawn) {
      const asked = drawn && window.location.hash === "#rows" && document.getElementById("rows");
      if (asked) {
        const growth = new ResizeObserver(function () { // What is above grows while it is drawn.
          const rows = document.getElementById("rows");
          if (rows) rows.scrollIntoView();
        });
        const end = growth.disconnect.bind(growth);
        growth.observe(document.body);
        setTimeout(end, DRAWN_MS);
        ["wheel", "touchstart", "pointerdown", "keydown"].forEach((by) => window.addEventListener(by, end, { once: true }));
      }
      return Boolean(asked);
    },
    ask: function (n, choices) {
      const late = !choices.paused && silence() > choices.seconds + 2;
      return late ? n : window.dash_clientside.no_update;
    },
  };
})();
