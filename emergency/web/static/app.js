/* What the pages do a little better with a script. Everything works without it. */
"use strict";
(() => {
  // Beijing time ticks from the server's moment, not from the machine's clock, which may be wrong.
  const clock = document.querySelector("[data-clock]");
  if (clock) {
    const offset = Number(clock.dataset.clock) - performance.now();
    const form = new Intl.DateTimeFormat("zh-CN", {
      timeZone: "Asia/Shanghai", hour12: false, hourCycle: "h23", hour: "2-digit", minute: "2-digit", second: "2-digit",
    });
    const tick = () => {
      const now = offset + performance.now();
      clock.textContent = form.format(new Date(now));
      setTimeout(tick, 1000 - (now % 1000) + 5);
    };
    tick();
  }

  // Menus close on Escape and on a click elsewhere.
  const menus = () => document.querySelectorAll("details.acct[open], details.reveal[open]");
  document.addEventListener("click", (event) => {
    menus().forEach((menu) => { if (!menu.contains(event.target)) menu.open = false; });
  });
  document.addEventListener("keydown", (event) => {
    if (event.key !== "Escape") return;
    menus().forEach((menu) => { menu.open = false; menu.querySelector("summary").focus(); });
  });

  // What was refused is read first.
  const wrong = document.querySelector(".wrong[role=alert]");
  if (wrong) wrong.focus();

  // An act is sent once, however often the button is pressed.
  document.addEventListener("submit", (event) => {
    const form = event.target;
    if (form.method !== "post" || form.dataset.sent) {
      if (form.dataset.sent) event.preventDefault();
      return;
    }
    form.dataset.sent = "yes";
    setTimeout(() => { delete form.dataset.sent; }, 8000);
  });
  window.addEventListener("pageshow", () => {
    document.querySelectorAll("form[data-sent]").forEach((form) => { delete form.dataset.sent; });
  });

  // The link to exactly this view.
  document.querySelectorAll("[data-copy-link]").forEach((button) => {
    button.hidden = false;
    button.addEventListener("click", () => {
      navigator.clipboard?.writeText(location.href).then(() => { button.textContent = button.dataset.copied; });
    });
  });

  // The text of a field that is shown once.
  document.querySelectorAll("[data-copy]").forEach((button) => {
    button.hidden = false;
    button.addEventListener("click", () => {
      const field = document.getElementById(button.dataset.copy);
      field.select();
      navigator.clipboard?.writeText(field.value).then(() => { button.textContent = button.dataset.copied; });
    });
  });
})();
