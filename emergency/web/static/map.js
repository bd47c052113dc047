/* Points and areas on a map without tiles; the list beside it says the same. */
"use strict";
document.querySelectorAll("[data-map]").forEach((box) => {
  const data = JSON.parse(box.dataset.map);
  const style = getComputedStyle(document.documentElement);
  const colour = (name) => style.getPropertyValue(name).trim();
  const map = L.map(box, {
    attributionControl: false, zoomSnap: 0.25, maxZoom: 17, keyboard: true, preferCanvas: false,
    zoomAnimation: !matchMedia("(prefers-reduced-motion: reduce)").matches,
  });
  L.control.scale({ imperial: false }).addTo(map);
  const all = [];
  const tones = { red: "--red", orange: "--orange", yellow: "--yellow", blue: "--blue", drill: "--drill" };
  data.areas.forEach((area) => {
    const shape = L.polygon(area.ring.map(([lon, lat]) => [lat, lon]), {
      color: colour(tones[area.tone] || "--ink-3"), weight: area.tone ? 2 : 1, fillOpacity: area.tone ? 0.14 : 0.03,
    }).addTo(map);
    if (area.text) shape.bindTooltip(area.text, { permanent: Boolean(area.label), className: area.label ? "maplabel" : "", direction: "center" });
    all.push(shape);
  });
  const looks = {
    town: { radius: 7, color: "#fff", weight: 1.5, fillColor: colour("--act"), fillOpacity: 1 },
    village: { radius: 3, color: "#fff", weight: 0.5, fillColor: "#6b7a8e", fillOpacity: 1 },
    unit: { radius: 3, color: colour("--ink"), weight: 1.2, fillColor: "#fff", fillOpacity: 1 },
    response: { radius: 11, color: colour("--red"), weight: 3, fillColor: "#fff", fillOpacity: 0.6 },
    exercise: { radius: 11, color: colour("--drill"), weight: 3, fillColor: "#fff", fillOpacity: 0.6 },
    hit: { radius: 7, color: "#fff", weight: 1.5, fillColor: colour("--red"), fillOpacity: 1 },
  };
  data.points.forEach((point) => {
    const dot = L.circleMarker([point.lat, point.lon], looks[point.kind] || looks.village).addTo(map);
    dot.bindTooltip(point.text, point.kind === "town" ? { permanent: true, className: "maplabel", direction: "top", offset: [0, -4] } : {});
    if (point.url) dot.on("click", () => { location.href = point.url; });
    if (point.id) {
      const line = document.getElementById(point.id);
      if (line) line.addEventListener("focusin", () => dot.openTooltip());
    }
    all.push(dot);
  });
  if (all.length) map.fitBounds(L.featureGroup(all).getBounds().pad(0.04), { maxZoom: 14, animate: false });
  else map.setView([38.93, 116.97], 11);
});
