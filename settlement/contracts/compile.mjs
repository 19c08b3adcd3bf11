// Compiles the contracts and writes one artifact a contract to ../artifacts, and to ../tests/artifacts for those
// that only tests deploy (or to the same folders below the one given).
// An artifact holds the ABI, the creation and the runtime bytecode, the compiler with its settings, and the
// Keccak-256 of every source that went in, which a Rust test compares with the files.
import { readFileSync, writeFileSync, mkdirSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import solc from "solc";

const here = dirname(fileURLToPath(import.meta.url));
const out = process.argv[2] ?? join(here, "..");
const groups = {
  artifacts: [
    "AggregationHub",
    "CommitteeRegistry",
    "Evidence",
    "ExpressAuction",
    "FinalityLightClient",
    "ForcedInbox",
    "Namespaces",
    "RollupSettlement",
    "SealGateway",
    "adapters/OpAdapter",
    "adapters/RiscZeroAdapter",
    "adapters/Sp1Adapter",
    "seal/SealProfile",
    "seal/SealVerifier",
  ],
  "tests/artifacts": ["test/Hashes", "test/Meter", "test/Reentrant", "test/Sp1Rollup", "test/ToldLightClient", "test/ToldVerifier"],
};
// How often the optimiser expects code to run: more is less gas and more code. These must fit EIP-170.
const fewRuns = { RollupSettlement: 200, "test/Hashes": 200 };

const settingsOf = (path) => ({
  evmVersion: "osaka",
  viaIR: true,
  optimizer: { enabled: true, runs: fewRuns[path] ?? 1_000_000 },
  // No metadata: the bytecode depends on the code alone.
  metadata: { appendCBOR: false, bytecodeHash: "none" },
});

const read = (path) => readFileSync(join(here, path), "utf8");

function compile(paths) {
  const input = {
    language: "Solidity",
    sources: Object.fromEntries(paths.map((path) => [`${path}.sol`, { content: read(`${path}.sol`) }])),
    settings: {
      ...settingsOf(paths[0]),
      outputSelection: { "*": { "*": ["abi", "evm.bytecode.object", "evm.deployedBytecode.object", "metadata"] } },
    },
  };
  const output = JSON.parse(solc.compile(JSON.stringify(input), { import: (path) => ({ contents: read(path) }) }));
  for (const problem of output.errors ?? []) console.error(problem.formattedMessage);
  if ((output.errors ?? []).length > 0) process.exit(1);
  return output.contracts;
}

const all = Object.values(groups).flat();
const compiledWith = new Map();
for (const path of all) {
  const { runs } = settingsOf(path).optimizer;
  compiledWith.set(runs, compiledWith.get(runs) ?? compile(all.filter((other) => settingsOf(other).optimizer.runs === runs)));
}

for (const [folder, paths] of Object.entries(groups)) {
  mkdirSync(join(out, folder), { recursive: true });
  for (const path of paths) {
    const name = basename(path);
    const settings = settingsOf(path);
    const compiled = compiledWith.get(settings.optimizer.runs)[`${path}.sol`][name];
    const metadata = JSON.parse(compiled.metadata);
    const sources = Object.entries(metadata.sources).map(([source, { keccak256 }]) => [source, keccak256]);
    const artifact = {
      contract: name,
      compiler: solc.version(),
      settings,
      sources: Object.fromEntries(sources.sort()),
      abi: compiled.abi,
      bytecode: `0x${compiled.evm.bytecode.object}`,
      deployedBytecode: `0x${compiled.evm.deployedBytecode.object}`,
    };
    writeFileSync(join(out, folder, `${name}.json`), `${JSON.stringify(artifact, null, 2)}\n`);
    console.log(`${name}: ${artifact.deployedBytecode.length / 2 - 1} bytes of code`);
  }
}
