// One level of a Merkle tree: a node is the first 8 words of the permutation of its two children, and, where shorter matrices join
// the tree at this level, of that and the digest of their row. Reference: `MerkleTree` of p3-merkle-tree, `TruncatedPermutation`.

struct Params { nodes: u32, children: u32, parents: u32, joins: u32 }

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(2) var<storage, read_write> tree: array<vec4<u32>>;
@group(0) @binding(3) var<storage, read> rows: array<vec4<u32>>;

@compute @workgroup_size(256)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let i = thread_of(id, groups);
    if i >= params.nodes {
        return;
    }
    let left = 2u * (params.children + 2u * i);
    var s = permute(State(tree[left], tree[left + 1u], tree[left + 2u], tree[left + 3u]));
    if params.joins == 1u {
        s = permute(State(s.a, s.b, rows[2u * i], rows[2u * i + 1u]));
    }
    tree[2u * (params.parents + i)] = s.a;
    tree[2u * (params.parents + i) + 1u] = s.b;
}
