// Tries `count` consecutive candidates for a proof-of-work witness and keeps the smallest that passes. Reference:
// `GrindingChallenger` of p3-challenger: the candidate is absorbed at `position`, and after the permutation the canonical value of
// word 7 must end in zero bits.

struct Params { first: u32, count: u32, position: u32, mask: u32 }

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(2) var<storage, read> sponge: array<vec4<u32>>;
@group(0) @binding(3) var<storage, read_write> smallest: array<atomic<u32>>;

// 2^64 mod P: times this, Montgomery reduced, a number below P gets its Montgomery form.
const R2: u32 = 0x17f7efe4u;

@compute @workgroup_size(256)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let i = thread_of(id, groups);
    if i >= params.count {
        return;
    }
    let candidate = params.first + i;
    var s = State(sponge[0], sponge[1], sponge[2], sponge[3]);
    let word = f_mul(candidate, R2);
    let lane = params.position & 3u;
    if params.position < 4u {
        s.a = select(s.a, vec4<u32>(word), vec4<u32>(0u, 1u, 2u, 3u) == vec4<u32>(lane));
    } else {
        s.b = select(s.b, vec4<u32>(word), vec4<u32>(0u, 1u, 2u, 3u) == vec4<u32>(lane));
    }
    s = permute(s);
    if (f_mul(s.b.w, 1u) & params.mask) == 0u {
        atomicMin(&smallest[0], candidate);
    }
}
