// Permutes `count` states of 16 words each, `times` times: Poseidon2 alone, to be measured.

struct Params { count: u32, times: u32 }

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(2) var<storage, read_write> states: array<vec4<u32>>;

@compute @workgroup_size(256)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let i = thread_of(id, groups);
    if i >= params.count {
        return;
    }
    var s = State(states[4u * i], states[4u * i + 1u], states[4u * i + 2u], states[4u * i + 3u]);
    for (var time = 0u; time < params.times; time++) {
        s = permute(s);
    }
    states[4u * i] = s.a;
    states[4u * i + 1u] = s.b;
    states[4u * i + 2u] = s.c;
    states[4u * i + 3u] = s.d;
}
