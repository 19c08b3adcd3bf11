// What every kernel starts with. A dispatch is a grid of workgroups of WORKGROUP threads, folded into two dimensions because
// one dimension holds at most 65,535 workgroups.

const WORKGROUP: u32 = 256u;

// The number of this thread in the whole dispatch.
fn thread_of(id: vec3<u32>, groups: vec3<u32>) -> u32 {
    return id.x + id.y * groups.x * WORKGROUP;
}

// The low `bits` bits of i in reverse order.
fn reversed(i: u32, bits: u32) -> u32 {
    return select(reverseBits(i) >> (32u - bits), 0u, bits == 0u);
}
