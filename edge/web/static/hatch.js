// Fills a rectangle of a canvas with diagonal lines.

const STEP = 9; // between lines, in CSS pixels

export function hatch(ctx, x, y, width, height, colour) {
  const step = STEP * devicePixelRatio;
  ctx.save();
  ctx.beginPath();
  ctx.rect(x, y, width, height);
  ctx.clip();
  ctx.setLineDash([]); // that of the last line drawn may still be set
  ctx.strokeStyle = colour;
  ctx.lineWidth = 2 * devicePixelRatio;
  ctx.beginPath();
  // Lines start at multiples of the step, so that neighbouring rectangles fit together.
  for (let at = Math.floor((x - height) / step) * step; at < x + width; at += step) {
    ctx.moveTo(at, y + height);
    ctx.lineTo(at + height, y);
  }
  ctx.stroke();
  ctx.restore();
}
