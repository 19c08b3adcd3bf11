// Folds a codeword in bit-reversed order to half its length: (lo + hi) / 2 + beta * (lo - hi) / (2 x), where the pair's points are
// x and -x and x = w^reversed(i). Reference: `TwoAdicFriFolding::fold_matrix` of p3-fri, one halving at a time. Where another
// codeword joins, joined * weight is added.

struct Params { pairs: u32, log_pairs: u32, log_table: u32, joins: u32 }

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> twiddles: array<u32>;
// beta, and the weight of what joins, five words each.
@group(0) @binding(2) var<storage, read> scalars: array<u32>;
@group(0) @binding(3) var<storage, read> codeword: array<u32>;
@group(0) @binding(4) var<storage, read> joined: array<u32>;
@group(0) @binding(5) var<storage, read_write> output: array<u32>;

@compute @workgroup_size(256)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let i = thread_of(id, groups);
    if i >= params.pairs {
        return;
    }
    let n = 2u * params.pairs;
    let k = 2u * i;
    let lo = Ext(codeword[k], codeword[n + k], codeword[2u * n + k], codeword[3u * n + k], codeword[4u * n + k]);
    let hi = Ext(
        codeword[k + 1u], codeword[n + k + 1u], codeword[2u * n + k + 1u], codeword[3u * n + k + 1u],
        codeword[4u * n + k + 1u]);
    // x^-1 = w^-power = -w^(pairs - power), and 1 for power 0: w has order 2 * pairs.
    let power = reversed(i, params.log_pairs);
    var x_inverse = ONE;
    if power != 0u {
        x_inverse = f_neg(twiddles[(params.pairs - power) << (params.log_table - params.log_pairs - 1u)]);
    }
    let beta = Ext(scalars[0], scalars[1], scalars[2], scalars[3], scalars[4]);
    let odd = e_mul(beta, e_scale(e_sub(lo, hi), x_inverse));
    var folded = e_halve(e_add(e_add(lo, hi), odd));
    let m = params.pairs;
    if params.joins == 1u {
        let weight = Ext(scalars[5], scalars[6], scalars[7], scalars[8], scalars[9]);
        let other = Ext(joined[i], joined[m + i], joined[2u * m + i], joined[3u * m + i], joined[4u * m + i]);
        folded = e_add(folded, e_mul(weight, other));
    }
    output[i] = folded.c0;
    output[m + i] = folded.c1;
    output[2u * m + i] = folded.c2;
    output[3u * m + i] = folded.c3;
    output[4u * m + i] = folded.c4;
}
