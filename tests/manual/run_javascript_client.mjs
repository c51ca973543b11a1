// The official JavaScript client against our server. Run it after a change of routes, bodies or answers:
//   npm install chromadb           (in any folder; 3.5.0 was used)
//   chroma-search run --memory --port 8000 --allow-reset
//   node run_javascript_client.mjs http://127.0.0.1:8000
// It resets the server. Prints a line per step and, last, how many passed.
import { ChromaClient, K, Knn, Rrf, Search } from "chromadb";
const address = new URL(process.argv[2] ?? "http://127.0.0.1:8000");
const client = new ChromaClient({ host: address.hostname, port: Number(address.port) });
let failed = 0, passed = 0;
async function step(name, fn) { try { await fn(); passed++; console.log("ok  ", name); } catch (e) { failed++; console.log("FAIL", name, e.constructor?.name, e.message); } }
function eq(a, b) { if (JSON.stringify(a) !== JSON.stringify(b)) throw new Error(JSON.stringify(a) + " != " + JSON.stringify(b)); }
await step("heartbeat", async () => { await client.heartbeat(); });
await step("version", async () => eq(await client.version(), "1.0.0"));
await step("reset", async () => client.reset());
let c;
await step("create", async () => { c = await client.createCollection({ name: "docs", embeddingFunction: null }); });
await step("add", async () => c.add({ ids: ["a", "b", "c"], embeddings: [[1, 0], [0.8, 0.6], [0, 1]], documents: ["single sign-on saml", "saml metadata", "billing"], metadatas: [{ year: 2023, tags: ["x"] }, { year: 2025 }, { year: 2025 }] }));
await step("count", async () => eq(await c.count(), 3));
await step("get", async () => eq((await c.get({ where: { year: 2025 } })).ids, ["b", "c"]));
await step("query", async () => eq((await c.query({ queryEmbeddings: [[1, 0.1]], nResults: 2 })).ids, [["a", "b"]]));
await step("update", async () => { await c.update({ ids: ["a"], metadatas: [{ year: 2024 }] }); eq((await c.get({ ids: ["a"] })).metadatas[0].year, 2024); });
await step("upsert", async () => { await c.upsert({ ids: ["d"], embeddings: [[0.5, 0.5]], documents: ["new"] }); eq(await c.count(), 4); });
await step("peek", async () => eq((await c.peek({ limit: 2 })).ids, ["a", "b"]));
await step("delete", async () => { await c.delete({ ids: ["d"] }); eq(await c.count(), 3); });
await step("modify", async () => { await c.modify({ name: "docs2", metadata: { k: 1 } }); eq((await client.getCollection({ name: "docs2", embeddingFunction: null })).metadata, { k: 1 }); });
await step("list", async () => eq((await client.listCollections()).map(x => x.name), ["docs2"]));
await step("countCollections", async () => eq(await client.countCollections(), 1));
await step("search", async () => { const r = await c.search(new Search().where(K("year").gte(2024)).rank(Knn({ query: [1, 0.1], limit: 10 })).limit(2).select(K.DOCUMENT, K.SCORE)); eq(r.ids, [["a", "b"]]); });
await step("search rrf", async () => { const r = await c.search(new Search().rank(Rrf({ ranks: [Knn({ query: [1, 0.1], returnRank: true }), Knn({ query: [0, 1], returnRank: true })] })).limit(3)); eq(r.ids[0].length, 3); });
await step("sparse", async () => { await c.update({ ids: ["a"], metadatas: [{ sp: { indices: [1, 5], values: [1, 2] } }] }); const r = await c.search(new Search().rank(Knn({ query: { indices: [5], values: [1] }, key: "sp" })).select(K.SCORE)); eq(r.ids, [["a"]]); });
await step("conflict", async () => { try { await client.createCollection({ name: "docs2", embeddingFunction: null }); } catch (e) { eq(e.constructor.name, "ChromaUniqueError"); return; } throw new Error("no error"); });
await step("missing", async () => { try { await client.getCollection({ name: "nope", embeddingFunction: null }); } catch (e) { eq(e.constructor.name, "ChromaNotFoundError"); return; } throw new Error("no error"); });
await step("indexing status", async () => { const s = await c.getIndexingStatus(); eq(s.totalOps >= 0, true); });
await step("fork", async () => { const f = await c.fork({ name: "forked" }); eq(await f.count(), 3); });
await step("fork count", async () => { eq(await c.forkCount(), 1); });
await step("deleteCollection", async () => client.deleteCollection({ name: "docs2" }));
console.log(`js: ${passed} passed, ${failed} failed`);
process.exit(failed ? 1 : 0);
