// 1 / (z - x) for every x of the coset that codewords live on, in bit-reversed order: row i is at shift * w^reversed(i). Each
// thread inverts the product of RUN distances and takes it apart again (Montgomery's trick). Reference:
// `compute_inverse_denominators` of p3-fri.

struct Params { log_rows: u32, log_table: u32, shift: u32 }

const RUN: u32 = 8u;

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> twiddles: array<u32>;
@group(0) @binding(2) var<storage, read> point: array<u32>;
@group(0) @binding(3) var<storage, read_write> output: array<u32>;

fn distance(row: u32) -> Ext {
    let power = reversed(row, params.log_rows);
    let half = (1u << params.log_rows) >> 1u;
    // The table holds the first half of the powers; the second half is its negative.
    var x = ONE;
    if half > 0u {
        x = twiddles[(power & (half - 1u)) << (params.log_table - params.log_rows)];
        x = select(x, f_neg(x), power >= half);
    }
    return Ext(f_sub(point[0], f_mul(x, params.shift)), point[1], point[2], point[3], point[4]);
}

@compute @workgroup_size(256)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let rows = 1u << params.log_rows;
    let threads = (rows + RUN - 1u) / RUN;
    let first = thread_of(id, groups);
    if first >= threads {
        return;
    }
    // Rows first, first + threads, ...: neighbours in memory belong to neighbouring threads.
    var product = e_one();
    for (var row = first; row < rows; row += threads) {
        output[row] = product.c0;
        output[rows + row] = product.c1;
        output[2u * rows + row] = product.c2;
        output[3u * rows + row] = product.c3;
        output[4u * rows + row] = product.c4;
        product = e_mul(product, distance(row));
    }
    var inverse = e_inverse(product);
    let mine = (rows - first + threads - 1u) / threads;
    for (var k = mine; k > 0u; k--) {
        let row = first + (k - 1u) * threads;
        let before = Ext(
            output[row], output[rows + row], output[2u * rows + row], output[3u * rows + row], output[4u * rows + row]);
        let result = e_mul(inverse, before);
        inverse = e_mul(inverse, distance(row));
        output[row] = result.c0;
        output[rows + row] = result.c1;
        output[2u * rows + row] = result.c2;
        output[3u * rows + row] = result.c3;
        output[4u * rows + row] = result.c4;
    }
}
