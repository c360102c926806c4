// Ages count on in the browser: they stay true when the screen is paused or the dashboard has gone.
(function () {
  "use strict";
  let ahead = -Infinity; // The server's clock less ours, as good as the quickest pulse has shown.
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
      ahead = Math.max(ahead, parseFloat(lastPulse) - ours);
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

  window.dash_clientside = window.dash_clientside || {};
  window.dash_clientside.instashop = {
    choose: function (path, seconds, clicks) {
      paused = (clicks || 0) % 2 === 1;
      document.body.classList.toggle("is-paused", paused);
      const button = document.getElementById("pause");
      if (button) {
        button.setAttribute("aria-pressed", String(paused));
        button.querySelector(".pause-word").textContent = paused ? "Go on" : "Pause";
      }
      document.querySelectorAll(".nav-link").forEach(function (link) {
        if (link.getAttribute("href") === path) link.setAttribute("aria-current", "page");
        else link.removeAttribute("aria-current");
      });
      return { page: path, seconds: parseInt(seconds, 10) || 5, paused: paused };
    },
    ask: function (n, choices) {
      const late = !choices.paused && silence() > choices.seconds + 2;
      return late ? n : window.dash_clientside.no_update;
    },
  };
})();
