// Compiles the contracts and writes one artifact a contract to ../artifacts (or to the folder given).
// An artifact holds the ABI, the creation and the runtime bytecode, the compiler with its settings, and the
// Keccak-256 of every source that went in, which a Rust test compares with the files.
import { readFileSync, writeFileSync, mkdirSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import solc from "solc";

const here = dirname(fileURLToPath(import.meta.url));
const out = process.argv[2] ?? join(here, "..", "artifacts");
const contracts = ["FinalityLightClient"];

const settings = {
  evmVersion: "osaka",
  viaIR: true,
  optimizer: { enabled: true, runs: 1_000_000 },
  // No metadata: the bytecode depends on the code alone.
  metadata: { appendCBOR: false, bytecodeHash: "none" },
};

const read = (path) => readFileSync(join(here, path), "utf8");
const input = {
  language: "Solidity",
  sources: Object.fromEntries(contracts.map((name) => [`${name}.sol`, { content: read(`${name}.sol`) }])),
  settings: {
    ...settings,
    outputSelection: { "*": { "*": ["abi", "evm.bytecode.object", "evm.deployedBytecode.object", "metadata"] } },
  },
};
const output = JSON.parse(solc.compile(JSON.stringify(input), { import: (path) => ({ contents: read(path) }) }));
for (const problem of output.errors ?? []) console.error(problem.formattedMessage);
if ((output.errors ?? []).length > 0) process.exit(1);

mkdirSync(out, { recursive: true });
for (const name of contracts) {
  const compiled = output.contracts[`${name}.sol`][name];
  const metadata = JSON.parse(compiled.metadata);
  const sources = Object.entries(metadata.sources).map(([path, source]) => [path, source.keccak256]);
  const artifact = {
    contract: name,
    compiler: solc.version(),
    settings,
    sources: Object.fromEntries(sources.sort()),
    abi: compiled.abi,
    bytecode: `0x${compiled.evm.bytecode.object}`,
    deployedBytecode: `0x${compiled.evm.deployedBytecode.object}`,
  };
  writeFileSync(join(out, `${name}.json`), `${JSON.stringify(artifact, null, 2)}\n`);
  console.log(`${name}: ${artifact.deployedBytecode.length / 2 - 1} bytes of code`);
}
