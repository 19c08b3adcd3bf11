// Adds columns of a matrix, each times its weight, to a vector of extension elements: the matrix compressed to one codeword.
// Reference: `rowwise_packed_dot_product` in `TwoAdicFriPcs::open` (p3-fri).

struct Params { rows: u32, source: u32, columns: u32, first_weight: u32, weights: u32, fresh: u32 }

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> matrix: array<u32>;
@group(0) @binding(2) var<storage, read> weights: array<u32>;
@group(0) @binding(3) var<storage, read_write> output: array<u32>;

@compute @workgroup_size(256)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let row = thread_of(id, groups);
    let rows = params.rows;
    if row >= rows {
        return;
    }
    var sum = e_zero();
    if params.fresh == 0u {
        sum = Ext(output[row], output[rows + row], output[2u * rows + row], output[3u * rows + row], output[4u * rows + row]);
    }
    for (var column = 0u; column < params.columns; column++) {
        let w = params.first_weight + column;
        let n = params.weights;
        let weight = Ext(weights[w], weights[n + w], weights[2u * n + w], weights[3u * n + w], weights[4u * n + w]);
        sum = e_add(sum, e_scale(weight, matrix[params.source + column * rows + row]));
    }
    output[row] = sum.c0;
    output[rows + row] = sum.c1;
    output[2u * rows + row] = sum.c2;
    output[3u * rows + row] = sum.c3;
    output[4u * rows + row] = sum.c4;
}
