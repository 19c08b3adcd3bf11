// The lookup columns of a table: of each lookup its fraction, numerator over denominator, and of each row their sum. A thread
// inverts the product of its row's denominators and takes it apart again (Montgomery's trick). Reference:
// `LogUpGadget::generate_permutation` of p3-lookup; LogUp is ePrint 2022/1530.
//
// `terms` holds, of lookup c, five columns of numerators (10 c) and five of denominators (10 c + 5). The fractions go to columns
// 5 (c + 1) of `fractions`, in the rows' (bit-reversed) places; the sums to `totals`, in the rows' natural order.

struct Params { log_rows: u32, lookups: u32, fractions: u32 }

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> terms: array<u32>;
@group(0) @binding(2) var<storage, read_write> fractions: array<u32>;
@group(0) @binding(3) var<storage, read_write> totals: array<u32>;

fn term(column: u32, row: u32) -> Ext {
    let rows = 1u << params.log_rows;
    let place = column * rows + row;
    return Ext(terms[place], terms[place + rows], terms[place + 2u * rows], terms[place + 3u * rows], terms[place + 4u * rows]);
}

fn put(column: u32, row: u32, value: Ext) {
    let rows = 1u << params.log_rows;
    let place = params.fractions + column * rows + row;
    fractions[place] = value.c0;
    fractions[place + rows] = value.c1;
    fractions[place + 2u * rows] = value.c2;
    fractions[place + 3u * rows] = value.c3;
    fractions[place + 4u * rows] = value.c4;
}

fn taken(column: u32, row: u32) -> Ext {
    let rows = 1u << params.log_rows;
    let place = params.fractions + column * rows + row;
    return Ext(
        fractions[place], fractions[place + rows], fractions[place + 2u * rows], fractions[place + 3u * rows],
        fractions[place + 4u * rows]);
}

@compute @workgroup_size(256)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let row = thread_of(id, groups);
    let rows = 1u << params.log_rows;
    if row >= rows {
        return;
    }
    var product = e_one();
    for (var lookup = 0u; lookup < params.lookups; lookup++) {
        put(5u * (lookup + 1u), row, product);
        product = e_mul(product, term(10u * lookup + 5u, row));
    }
    var inverse = e_inverse(product);
    var total = e_zero();
    for (var lookup = params.lookups; lookup > 0u; lookup--) {
        let reciprocal = e_mul(inverse, taken(5u * lookup, row));
        inverse = e_mul(inverse, term(10u * lookup - 5u, row));
        let fraction = e_mul(reciprocal, term(10u * lookup - 10u, row));
        put(5u * lookup, row, fraction);
        total = e_add(total, fraction);
    }
    let place = reversed(row, params.log_rows);
    totals[place] = total.c0;
    totals[rows + place] = total.c1;
    totals[2u * rows + place] = total.c2;
    totals[3u * rows + place] = total.c3;
    totals[4u * rows + place] = total.c4;
}
