// Colours of the present theme, and the reader's wish for less motion.

export const css = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

export function onThemeChange(paint) {
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", paint);
}

export const wantsLessMotion = () => matchMedia("(prefers-reduced-motion: reduce)").matches;
