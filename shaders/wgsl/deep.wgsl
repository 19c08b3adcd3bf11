// One opening joins the codeword of its height: output += (claim - scale * compressed) / (z - x). Reference: the reduced openings
// of `TwoAdicFriPcs::open` (p3-fri); DEEP-FRI is ePrint 2019/336.

struct Params { rows: u32, distances: u32, fresh: u32 }

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> compressed: array<u32>;
// 1 / (z - x): `distances` elements, of which the first `rows` are used.
@group(0) @binding(2) var<storage, read> inverses: array<u32>;
// The claim and the scale, five words each.
@group(0) @binding(3) var<storage, read> scalars: array<u32>;
@group(0) @binding(4) var<storage, read_write> output: array<u32>;

@compute @workgroup_size(256)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let row = thread_of(id, groups);
    let rows = params.rows;
    if row >= rows {
        return;
    }
    let claim = Ext(scalars[0], scalars[1], scalars[2], scalars[3], scalars[4]);
    let scale = Ext(scalars[5], scalars[6], scalars[7], scalars[8], scalars[9]);
    let value = Ext(
        compressed[row], compressed[rows + row], compressed[2u * rows + row], compressed[3u * rows + row],
        compressed[4u * rows + row]);
    let n = params.distances;
    let inverse = Ext(inverses[row], inverses[n + row], inverses[2u * n + row], inverses[3u * n + row], inverses[4u * n + row]);
    var sum = e_mul(e_sub(claim, e_mul(scale, value)), inverse);
    if params.fresh == 0u {
        let before = Ext(
            output[row], output[rows + row], output[2u * rows + row], output[3u * rows + row], output[4u * rows + row]);
        sum = e_add(sum, before);
    }
    output[row] = sum.c0;
    output[rows + row] = sum.c1;
    output[2u * rows + row] = sum.c2;
    output[3u * rows + row] = sum.c3;
    output[4u * rows + row] = sum.c4;
}
