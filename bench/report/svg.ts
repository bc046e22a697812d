import type { EChartsOption, LineSeriesOption } from 'echarts'
import type { Plot } from '../common/plot.js'
import { decades, type Extent, linearThrough } from './axes.js'

const COLUMNS = 2
const PANEL = { width: 520, height: 380 }
const TITLE_HEIGHT = 48
/** Between a panel's edge and its axes: room for heading and legend, and for the axes' names. */
const MARGIN = { left: 76, right: 28, top: 70, bottom: 58 }

/** What echarts leaves around a title and a legend. */
const TEXT_PADDING = 5

const FONT = 'Helvetica, Arial, DejaVu Sans, sans-serif'
const INK = '#222'
const FAINT = '#e4e4e4'
const LINEAR = '#999'
/** Told apart by the colour-blind, too (Okabe and Ito). */
const COLOURS = ['#0072b2', '#d55e00', '#009e73', '#cc79a7', '#e69f00', '#56b4e9']
const SYMBOLS = ['circle', 'rect', 'triangle', 'diamond', 'circle', 'rect']

/** Draws plots beside each other on logarithmic axes, each with a dashed line for linear growth. @returns the SVG */
export async function drawPlots(title: string, plots: readonly Plot[]): Promise<string> {
  // Not loaded before all is measured: a larger process takes longer to start others.
  const { init } = await import('echarts')
  const columns = Math.min(COLUMNS, plots.length)
  const size = {
    width: columns * PANEL.width,
    height: TITLE_HEIGHT + Math.ceil(plots.length / columns) * PANEL.height,
  }
  const chart = init(null, null, { renderer: 'svg', ssr: true, ...size })
  try {
    chart.setOption(option(title, plots, columns))
    return chart.renderToSVGString()
  } finally {
    chart.dispose()
  }
}

function option(title: string, plots: readonly Plot[], columns: number): EChartsOption {
  const panels = plots.map((plot, index) =>
    panel(plot, index, {
      left: (index % columns) * PANEL.width,
      top: TITLE_HEIGHT + Math.floor(index / columns) * PANEL.height,
    }),
  )
  return {
    animation: false,
    backgroundColor: '#fff',
    textStyle: { fontFamily: FONT, color: INK },
    title: [
      { text: title, left: 'center', top: 14, textStyle: { fontSize: 18, color: INK } },
      ...panels.map((one) => one.title),
    ],
    legend: panels.map((one) => one.legend),
    grid: panels.map((one) => one.grid),
    xAxis: panels.map((one) => one.xAxis),
    yAxis: panels.map((one) => one.yAxis),
    series: panels.flatMap((one) => one.series),
  }
}

function panel(plot: Plot, index: number, { left, top }: { readonly left: number; readonly top: number }) {
  const points = plot.curves.flatMap((curve) => curve.points)
  const x = decades(points.map(([n]) => n))
  const y = decades(points.map(([, value]) => value))
  const at = { xAxisIndex: index, yAxisIndex: index }
  const curves = plot.curves.map(
    ({ name, points }, curve): LineSeriesOption => ({
      ...at,
      type: 'line',
      name: seriesName(index, name),
      data: points.map(([n, value]) => [n, value]),
      color: COLOURS[curve % COLOURS.length] ?? INK,
      symbol: SYMBOLS[curve % SYMBOLS.length] ?? 'circle',
      symbolSize: 8,
      silent: true,
      lineStyle: { width: 2.5 },
    }),
  )
  const linear = seriesName(index, 'linear')
  const line = linearThrough(plot.curves[0]?.points.at(-1), x, y)
  return {
    title: {
      text: plot.title,
      left: left + MARGIN.left - TEXT_PADDING,
      top: top + 10,
      textStyle: { fontSize: 14, color: INK },
    },
    legend: {
      left: left + MARGIN.left - TEXT_PADDING,
      selectedMode: false,
      formatter: shownName,
      top: top + 34,
      itemWidth: 26,
      // Widths are guessed for a narrow font; wider ones must not touch what is beside them.
      itemGap: 30,
      textStyle: { fontSize: 12, color: INK },
      data: [...curves.map(({ name = '' }) => String(name)), linear],
    },
    grid: {
      left: left + MARGIN.left,
      top: top + MARGIN.top,
      width: PANEL.width - MARGIN.left - MARGIN.right,
      height: PANEL.height - MARGIN.top - MARGIN.bottom,
    },
    xAxis: { ...axis(plot.x, x), gridIndex: index, nameGap: 32 },
    yAxis: { ...axis(plot.y, y), gridIndex: index, nameGap: 52 },
    series: [
      ...curves,
      {
        ...at,
        type: 'line' as const,
        name: linear,
        data: line.map(([n, value]) => [n, value]),
        color: LINEAR,
        symbol: 'none',
        // The legend would draw a symbol nevertheless.
        itemStyle: { opacity: 0 },
        silent: true,
        z: 1,
        lineStyle: { width: 1, type: 'dashed' as const, color: LINEAR },
      },
    ],
  }
}

/** Legends know series by name alone, and panels may have curves of the same name. */
function seriesName(panel: number, curve: string): string {
  return `${panel}:${curve}`
}

function shownName(series: string): string {
  return series.slice(series.indexOf(':') + 1)
}

function axis(name: string, { least, most }: Extent) {
  return {
    type: 'log' as const,
    name,
    nameLocation: 'middle' as const,
    nameTextStyle: { fontSize: 13, color: INK },
    min: least,
    max: most,
    axisLine: { show: true, onZero: false, lineStyle: { color: '#888' } },
    axisLabel: { color: INK, fontSize: 12, formatter: (value: number) => value.toLocaleString('en') },
    axisTick: { show: true },
    minorTick: { show: true, splitNumber: 9 },
    splitLine: { show: true, lineStyle: { color: FAINT } },
  }
}
