// One pass of a number-theoretic transform of many columns at once: `levels` butterfly levels on tiles in workgroup memory.
// Reference: p3-dft (`Radix2DitParallel`). Forward passes take natural order to bit-reversed order (decimation in frequency),
// inverse passes take it back (decimation in time), so that nothing is ever reordered.
//
// An index of a column is hi | middle | lo: `middle` has the `levels` bits that this pass transforms, `lo` the `log_stride` bits
// below. A tile takes every `middle` for 2^log_run neighbouring others: of `lo`, and where `lo` has fewer bits, of `hi`.
// ntt_in_place.wgsl and ntt_coset.wgsl say where elements come from (`load`) and go to (`store`).

override INVERSE: bool = false;

struct Params {
    log_rows: u32,
    log_stride: u32,
    levels: u32,
    log_run: u32,
    // The twiddle table holds the first half of the powers of a root of unity of order 2^log_table.
    log_table: u32,
    // What every element is multiplied by when it is stored, in Montgomery form; 0 for nothing.
    scale: u32,
    // The first column in the source and the distance from one to the next; the same of the destination.
    source: u32,
    source_stride: u32,
    destination: u32,
    destination_stride: u32,
}

const LOG_TILE: u32 = 12u;

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> twiddles: array<u32>;

var<workgroup> tile: array<u32, 4096>;

// The place in its column of element t of the tile.
fn row_of(t: u32, block: u32) -> u32 {
    let log_lo = min(params.log_stride, params.log_run);
    let lo = t & ((1u << log_lo) - 1u);
    let middle = (t >> log_lo) & ((1u << params.levels) - 1u);
    let hi = t >> (log_lo + params.levels);
    let log_lo_blocks = params.log_stride - log_lo;
    let lo_block = block & ((1u << log_lo_blocks) - 1u);
    let hi_block = block >> log_lo_blocks;
    let hi_place = (hi_block << (params.log_run - log_lo)) + hi;
    return (hi_place << (params.log_stride + params.levels)) + (middle << params.log_stride) + (lo_block << log_lo) + lo;
}

@compute @workgroup_size(256)
fn main(
    @builtin(local_invocation_index) thread: u32,
    @builtin(workgroup_id) group: vec3<u32>,
) {
    let size = 1u << (params.levels + params.log_run);
    for (var t = thread; t < size; t += WORKGROUP) {
        tile[t] = load(group.y, group.z, row_of(t, group.x));
    }
    workgroupBarrier();

    let log_lo = min(params.log_stride, params.log_run);
    for (var level = 0u; level < params.levels; level++) {
        // The bit of `middle` in which the two elements of a butterfly differ.
        let bit = select(params.levels - 1u - level, level, INVERSE);
        let log_half = params.log_stride + bit;
        let half = 1u << (bit + log_lo);
        let log_step = params.log_table - log_half - 1u;
        for (var pair = thread; pair < size / 2u; pair += WORKGROUP) {
            let t = ((pair & ~(half - 1u)) << 1u) | (pair & (half - 1u));
            let power = row_of(t, group.x) & ((1u << log_half) - 1u);
            let u = tile[t];
            let v = tile[t + half];
            if INVERSE {
                // w^-power = -w^(half - power), and 1 for power 0.
                if power == 0u {
                    tile[t] = f_add(u, v);
                    tile[t + half] = f_sub(u, v);
                } else {
                    let product = f_mul(v, twiddles[((1u << log_half) - power) << log_step]);
                    tile[t] = f_sub(u, product);
                    tile[t + half] = f_add(u, product);
                }
            } else {
                tile[t] = f_add(u, v);
                tile[t + half] = f_mul(f_sub(u, v), twiddles[power << log_step]);
            }
        }
        workgroupBarrier();
    }

    for (var t = thread; t < size; t += WORKGROUP) {
        var value = tile[t];
        if params.scale != 0u {
            value = f_mul(value, params.scale);
        }
        store(group.y, group.z, row_of(t, group.x), value);
    }
}
