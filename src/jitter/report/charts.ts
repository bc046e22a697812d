import type { LineSeriesOption } from 'echarts/charts'
import { LineChart } from 'echarts/charts'
import { GridComponent, LegendComponent } from 'echarts/components'
import { init, use } from 'echarts/core'
import { SVGRenderer } from 'echarts/renderers'
import { formatMicroseconds } from '../microseconds.js'
import type { Course, Curve } from './model.js'

/*
 * Drawn with the library that the benchmarks draw with. Of it only what lines need is bundled, in a chunk that is loaded for
 * a report alone: it is as long as the rest of the program.
 */
use([LineChart, GridComponent, LegendComponent, SVGRenderer])

const FONT = 'system-ui, Helvetica, Arial, DejaVu Sans, sans-serif'
const INK = '#222'
const FAINT = '#e4e4e4'

/** Told apart by colour (Okabe and Ito), and without it: by dashes and marks. */
const STYLES = [
  { color: '#0072b2', type: 'solid', symbol: 'circle' },
  { color: '#d55e00', type: 'dashed', symbol: 'triangle' },
  { color: '#009e73', type: 'dotted', symbol: 'rect' },
] as const

const HEIGHT = 320

type Point = readonly [number, number]

interface Axis {
  readonly type: 'log' | 'value'
  readonly name: string
  readonly min: number
  readonly max: number
  readonly format: (value: number) => string
}

/** Below one sample there is nothing, which a logarithmic axis has no place for: it is drawn here. */
const NOTHING = 0.5

/** The least length that is drawn: programs of the host's begin with `less than a microsecond`. */
const LEAST_MICROSECONDS = 0.1

/** `1K`, `10M`: numbers of many digits take the room of a phone. */
const NUMBERS = new Intl.NumberFormat('en', { notation: 'compact' })

/** Draws histograms over each other, as steps. @param width in pixels @returns the SVG */
export function drawHistograms(curves: readonly Curve[], width: number): string {
  const lengths = curves.flatMap(({ histogram }) =>
    histogram.flatMap(({ fromMicroseconds, toMicroseconds }) => [fromMicroseconds, toMicroseconds]),
  )
  const most = Math.max(1, ...curves.flatMap(({ histogram }) => histogram.map(({ count }) => count)))
  const series = curves.map(({ name, histogram }, index) => ({
    ...line(name, index, steps({ name, histogram })),
    step: 'end' as const,
    ...(index === 0 ? { areaStyle: { opacity: 0.12, origin: 'start' as const } } : {}),
  }))
  const x: Axis = { type: 'log', name: 'length', ...decades(lengths), format: formatMicroseconds }
  const y: Axis = {
    ...{ type: 'log', name: 'count', min: NOTHING, max: 10 ** Math.ceil(Math.log10(most + 1)) },
    format: (value) => (value < 1 ? '0' : NUMBERS.format(value)),
  }
  return draw(series, x, y, width)
}

function steps({ histogram }: Curve): Point[] {
  const last = histogram.at(-1)
  if (last === undefined) return []
  return [
    ...histogram.map(
      ({ fromMicroseconds, count }): Point => [
        Math.max(LEAST_MICROSECONDS, fromMicroseconds),
        Math.max(NOTHING, count),
      ],
    ),
    [last.toMicroseconds, NOTHING],
  ]
}

/** Draws the worst of each slice of time. @param width in pixels @returns the SVG */
export function drawOverTime(courses: readonly Course[], width: number): string {
  const points = courses.map(({ sliceSeconds, microseconds }) =>
    microseconds.flatMap((one, index): Point[] =>
      one === null ? [] : [[(index + 1) * sliceSeconds, Math.max(LEAST_MICROSECONDS, one)]],
    ),
  )
  const series = courses.map(({ name }, index) => line(name, index, points[index] ?? []))
  const seconds = Math.max(1, ...points.flat().map(([at]) => at))
  const x: Axis = { type: 'value', name: 'seconds', min: 0, max: seconds, format: (value) => `${value}` }
  const y: Axis = {
    ...{ type: 'log', name: 'worst', ...decades(points.flat().map(([, one]) => one)) },
    format: formatMicroseconds,
  }
  return draw(series, x, y, width)
}

/** Marks of few points are seen; of many they would hide the line. */
const MOST_MARKS = 60

function line(name: string, index: number, data: readonly Point[]): LineSeriesOption {
  const style = STYLES[index % STYLES.length] ?? STYLES[0]
  return {
    ...{ type: 'line', name, data: data.map((point) => [...point]), silent: true, color: style.color },
    symbol: data.length > MOST_MARKS ? 'none' : style.symbol,
    symbolSize: 6,
    lineStyle: { width: 2, type: style.type },
  }
}

function decades(values: readonly number[]): { readonly min: number; readonly max: number } {
  const shown = values.filter((value) => value > 0).map((value) => Math.max(LEAST_MICROSECONDS, value))
  if (shown.length === 0) return { min: 1, max: 10 }
  const min = 10 ** Math.floor(Math.log10(Math.min(...shown)))
  return { min, max: Math.max(min * 10, 10 ** Math.ceil(Math.log10(Math.max(...shown)))) }
}

function draw(series: readonly LineSeriesOption[], x: Axis, y: Axis, width: number): string {
  const chart = init(null, null, { renderer: 'svg', ssr: true, width, height: HEIGHT })
  try {
    chart.setOption({
      animation: false,
      textStyle: { fontFamily: FONT, color: INK },
      legend: {
        top: 0,
        left: 0,
        selectedMode: false,
        itemWidth: 34,
        textStyle: { fontSize: 13, color: INK },
      },
      grid: { left: 64, right: 20, top: 56, bottom: 46 },
      xAxis: { ...axis(x), nameLocation: 'middle', nameGap: 30 },
      // Beside the axis it would take the room of a phone.
      yAxis: { ...axis(y), nameLocation: 'end', nameTextStyle: { align: 'right' } },
      series: [...series],
    })
    return chart.renderToSVGString()
  } finally {
    chart.dispose()
  }
}

function axis({ type, name, min, max, format }: Axis) {
  return {
    ...{ type, name, min, max },
    axisLine: { show: true, onZero: false, lineStyle: { color: '#888' } },
    axisLabel: { color: INK, fontSize: 11, hideOverlap: true, formatter: format },
    axisTick: { show: true },
    splitLine: { show: true, lineStyle: { color: FAINT } },
  }
}
