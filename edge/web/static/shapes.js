// The shapes of the verdicts, one per look and distinguishable without colour: puts them into the page as symbols.

const SYMBOLS = `
  <symbol id="good" viewBox="0 0 64 64">
    <circle cx="32" cy="32" r="28" fill="currentColor"/>
    <path d="M19 33l9 9 18-19" fill="none" stroke="var(--on)" stroke-width="6" stroke-linecap="round" stroke-linejoin="round"/>
  </symbol>
  <symbol id="degraded" viewBox="0 0 64 64">
    <path d="M32 7L60 56H4z" fill="currentColor" stroke="currentColor" stroke-width="6" stroke-linejoin="round"/>
    <path d="M32 25v14M32 48v.5" stroke="var(--on)" stroke-width="6" stroke-linecap="round"/>
  </symbol>
  <symbol id="moving" viewBox="0 0 64 64">
    <path d="M32 3l29 29-29 29L3 32z" fill="currentColor" stroke="currentColor" stroke-width="4" stroke-linejoin="round"/>
    <path d="M25 24l-8 8 8 8M39 24l8 8-8 8M17 32h30" fill="none" stroke="var(--on)" stroke-width="5" stroke-linecap="round" stroke-linejoin="round"/>
  </symbol>
  <symbol id="unusable" viewBox="0 0 64 64">
    <path d="M21 5h22l16 16v22L43 59H21L5 43V21z" fill="currentColor" stroke="currentColor" stroke-width="4" stroke-linejoin="round"/>
    <path d="M23 23l18 18M41 23L23 41" stroke="var(--on)" stroke-width="6" stroke-linecap="round"/>
  </symbol>
  <symbol id="nobody" viewBox="0 0 64 64">
    <circle cx="32" cy="32" r="27" fill="none" stroke="currentColor" stroke-width="5" stroke-dasharray="9 8" stroke-linecap="round"/>
  </symbol>
  <symbol id="offline" viewBox="0 0 64 64">
    <path d="M22 10v14M42 10v14M14 24h36v8a18 18 0 0 1-36 0zM32 50v10" fill="none" stroke="currentColor" stroke-width="5" stroke-linecap="round" stroke-linejoin="round"/>
    <path d="M6 58L58 6" stroke="currentColor" stroke-width="5" stroke-linecap="round"/>
  </symbol>
  <symbol id="waiting" viewBox="0 0 64 64">
    <circle cx="32" cy="32" r="27" fill="none" stroke="currentColor" stroke-width="5"/>
    <path d="M18 32h.5M32 32h.5M46 32h.5" stroke="currentColor" stroke-width="7" stroke-linecap="round"/>
  </symbol>
`;

const shapes = document.createElementNS("http://www.w3.org/2000/svg", "svg");
shapes.setAttribute("class", "unseen");
shapes.setAttribute("aria-hidden", "true");
shapes.innerHTML = SYMBOLS;
document.body.prepend(shapes);
