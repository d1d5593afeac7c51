import type { Chart } from './figure.ts';

const width = 760;
const height = 420;
const margin = { left: 70, right: 20, top: 50, bottom: 110 };
const colours = ['#1b6ca8', '#d1495b', '#66a182', '#8d6a9f', '#edae49', '#2e4057'];

/** The powers of ten around the values, for a logarithmic axis. */
function decadesAround(values: readonly number[]): number[] {
  const from = Math.floor(Math.log10(Math.min(...values)));
  const to = Math.ceil(Math.log10(Math.max(...values)));
  return Array.from({ length: Math.max(1, to - from) + 1 }, (_, n) => 10 ** (from + n));
}

/** A round step that divides `max` into four to eight. */
function stepFor(max: number): number {
  const rough = max / 6;
  const power = 10 ** Math.floor(Math.log10(rough));
  return power * ([1, 2, 5, 10].find((factor) => factor * power >= rough) ?? 10);
}

const escape = (text: string) => text.replace(/&/g, '&amp;').replace(/</g, '&lt;');

/** Draws latency (milliseconds, logarithmic) over load (a second) as an SVG document. */
export function drawChart({ title, xLabel, series }: Chart): string {
  const points = series.flatMap((line) => line.points);
  const decades = decadesAround(points.map(({ y }) => y));
  const [yMin, yMax] = [Math.log10(decades[0] as number), Math.log10(decades.at(-1) as number)];
  const step = stepFor(Math.max(...points.map(({ x }) => x)));
  const xMax = step * Math.ceil(Math.max(...points.map(({ x }) => x)) / step);
  const plot = { w: width - margin.left - margin.right, h: height - margin.top - margin.bottom };
  const xOf = (x: number) => (margin.left + (x / xMax) * plot.w).toFixed(1);
  const yOf = (y: number) =>
    (margin.top + plot.h - ((Math.log10(y) - yMin) / (yMax - yMin)) * plot.h).toFixed(1);
  const bottom = margin.top + plot.h;

  const grid = [
    ...decades.map(
      (y) =>
        `<line x1="${margin.left}" x2="${margin.left + plot.w}" y1="${yOf(y)}" y2="${yOf(y)}" stroke="#ddd"/>` +
        `<text x="${margin.left - 8}" y="${yOf(y)}" text-anchor="end" dominant-baseline="middle">${y} ms</text>`,
    ),
    ...Array.from({ length: Math.round(xMax / step) + 1 }, (_, n) => n * step).map(
      (x) => `<text x="${xOf(x)}" y="${bottom + 18}" text-anchor="middle">${x}</text>`,
    ),
    `<line x1="${margin.left}" x2="${margin.left + plot.w}" y1="${bottom}" y2="${bottom}" stroke="#333"/>`,
    `<text x="${margin.left + plot.w / 2}" y="${bottom + 38}" text-anchor="middle">${escape(xLabel)}</text>`,
  ];
  const lines = series.map(({ label, points: of }, n) => {
    const colour = colours[n % colours.length];
    const path = of.map(({ x, y }) => `${xOf(x)},${yOf(y)}`).join(' ');
    const dots = of
      .map(({ x, y }) => `<circle cx="${xOf(x)}" cy="${yOf(y)}" r="3" fill="${colour}"/>`)
      .join('');
    const [legendX, legendY] = [margin.left + (n % 2) * (plot.w / 2), bottom + 62 + Math.floor(n / 2) * 20];
    return (
      `<polyline points="${path}" fill="none" stroke="${colour}" stroke-width="2"/>${dots}` +
      `<rect x="${legendX}" y="${legendY - 9}" width="12" height="12" fill="${colour}"/>` +
      `<text x="${legendX + 18}" y="${legendY + 1}">${escape(label)}</text>`
    );
  });
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" font-family="sans-serif" font-size="12">`,
    `<rect width="${width}" height="${height}" fill="#fff"/>`,
    `<text x="${margin.left}" y="26" font-size="15">${escape(title)}</text>`,
    ...grid,
    ...lines,
    '</svg>\n',
  ].join('\n');
}
