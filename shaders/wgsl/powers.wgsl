// The first `count` powers of an extension element. `squares` holds z^(2^k), five words each.

struct Params { count: u32 }

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> squares: array<u32>;
@group(0) @binding(2) var<storage, read_write> output: array<u32>;

@compute @workgroup_size(256)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let i = thread_of(id, groups);
    if i >= params.count {
        return;
    }
    var power = e_one();
    for (var k = 0u; (i >> k) != 0u; k++) {
        if ((i >> k) & 1u) == 1u {
            let s = 5u * k;
            power = e_mul(power, Ext(squares[s], squares[s + 1u], squares[s + 2u], squares[s + 3u], squares[s + 4u]));
        }
    }
    output[i] = power.c0;
    output[params.count + i] = power.c1;
    output[2u * params.count + i] = power.c2;
    output[3u * params.count + i] = power.c3;
    output[4u * params.count + i] = power.c4;
}
