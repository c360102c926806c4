// Note the time at which the page first shows a batch of Spark.
() => {
  const pulse = document.getElementById("pulse");
  window.screensSeen = [];
  const note = () => window.screensSeen.push([Date.now() / 1000, parseInt(pulse.dataset.batch || "-1", 10)]);
  new MutationObserver(note).observe(pulse, { attributes: true, attributeFilter: ["data-batch"] });
}
