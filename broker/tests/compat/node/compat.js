// Drives kafkajs against one broker, one check per run: `node compat.js CHECK BOOTSTRAP TOPIC`. Prints `ok` at its end.
const { Kafka, CompressionTypes, CompressionCodecs, logLevel } = require("kafkajs");
CompressionCodecs[CompressionTypes.Snappy] = require("kafkajs-snappy");
CompressionCodecs[CompressionTypes.LZ4] = new (require("kafkajs-lz4"))().codec;

const RECORDS = 500;
const [check, bootstrap, topic] = process.argv.slice(2);
const kafka = new Kafka({ brokers: [bootstrap], logLevel: logLevel.NOTHING });
const value = (tag, number) => `${tag}-${String(number).padStart(6, "0")}`;
const messages = (tag, from, to) => Array.from({ length: to - from }, (_, index) => ({ value: value(tag, from + index) }));

function same(found, expected, what) {
  const [left, right] = [found, expected].map((list) => JSON.stringify([...list].sort()));
  if (left !== right) throw new Error(`${what}: ${found.length} values, expected ${expected.length}`);
}

async function create(name, numPartitions) {
  const admin = kafka.admin();
  await admin.connect();
  await admin.createTopics({ topics: [{ topic: name, numPartitions, replicationFactor: 1 }] });
  return admin;
}

// A group member that collects values; `seen.reached(count)` waits for that many distinct ones.
async function member(name, groupId, seen) {
  const consumer = kafka.consumer({ groupId, sessionTimeout: 10000, heartbeatInterval: 500, maxWaitTimeInMs: 200 });
  await consumer.connect();
  await consumer.subscribe({ topic: name, fromBeginning: true });
  await consumer.run({ eachMessage: async ({ message }) => seen.add(message.value.toString()) });
  return consumer;
}

class Seen extends Set {
  async reached(count) {
    for (const deadline = Date.now() + 60000; this.size < count; ) {
      if (Date.now() > deadline) throw new Error(`${this.size} of ${count} records were seen`);
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }
}

const checks = {
  async codecs() {
    for (const [name, compression] of Object.entries({ none: 0, gzip: 1, snappy: 2, lz4: 3 })) {
      const own = `${topic}-${name}`;
      const admin = await create(own, 3);
      const producer = kafka.producer({ idempotent: true });
      await producer.connect();
      await producer.send({ topic: own, compression, messages: messages(name, 0, RECORDS) });
      const seen = new Seen();
      const consumer = await member(own, `group-${own}`, seen);
      await seen.reached(RECORDS);
      same([...seen], messages(name, 0, RECORDS).map((message) => message.value), name);
      await Promise.all([consumer.disconnect(), producer.disconnect(), admin.disconnect()]);
    }
  },

  async transactions() {
    const admin = await create(topic, 2);
    const producer = kafka.producer({ transactionalId: `tx-${topic}`, maxInFlightRequests: 1, idempotent: true });
    await producer.connect();
    for (let round = 0; round < 9; round++) {
      const transaction = await producer.transaction();
      const tag = round % 3 === 2 ? "dropped" : "kept";
      await transaction.send({ topic, messages: messages(tag, round * 10, round * 10 + 10) });
      await transaction.sendOffsets({
        consumerGroupId: `offsets-${topic}`,
        topics: [{ topic, partitions: [{ partition: 0, offset: String(round) }] }],
      });
      await (tag === "kept" ? transaction.commit() : transaction.abort());
    }
    const seen = new Seen();
    const consumer = await member(topic, `group-${topic}`, seen);
    await seen.reached(60);
    if ([...seen].some((found) => found.startsWith("dropped"))) throw new Error("an aborted record was read");
    const [committed] = await admin.fetchOffsets({ groupId: `offsets-${topic}`, topics: [topic] });
    const offset = committed.partitions.find(({ partition }) => partition === 0).offset;
    if (offset !== "7") throw new Error(`committed offset is ${offset}, expected 7`);
    await Promise.all([consumer.disconnect(), producer.disconnect(), admin.disconnect()]);
  },

  async group() {
    const admin = await create(topic, 6);
    const seen = new Seen();
    const first = await member(topic, `group-${topic}`, seen);
    const second = await member(topic, `group-${topic}`, seen);
    const producer = kafka.producer();
    await producer.connect();
    await producer.send({ topic, messages: messages("g", 0, RECORDS / 2) });
    await seen.reached(RECORDS / 2);
    await first.disconnect();
    await producer.send({ topic, messages: messages("g", RECORDS / 2, RECORDS) });
    await seen.reached(RECORDS);
    const { groups } = await admin.describeGroups([`group-${topic}`]);
    if (groups[0].members.length !== 1) throw new Error(`${groups[0].members.length} members, expected 1`);
    await Promise.all([second.disconnect(), producer.disconnect(), admin.disconnect()]);
  },

  async admin() {
    const admin = await create(topic, 1);
    if (await admin.createTopics({ topics: [{ topic }] })) throw new Error("a topic was created twice");
    await admin.createPartitions({ topicPartitions: [{ topic, count: 3 }] });
    const { topics } = await admin.fetchTopicMetadata({ topics: [topic] });
    if (topics[0].partitions.length !== 3) throw new Error("expected 3 partitions");
    await admin.alterConfigs({
      resources: [{ type: 2, name: topic, configEntries: [{ name: "retention.ms", value: "3600000" }] }],
    });
    const { resources } = await admin.describeConfigs({ resources: [{ type: 2, name: topic, configNames: ["retention.ms"] }] });
    if (resources[0].configEntries[0].configValue !== "3600000") throw new Error("the setting did not change");
    const producer = kafka.producer();
    await producer.connect();
    const start = Date.now() - 3600000;
    await producer.send({
      topic,
      messages: Array.from({ length: 100 }, (_, number) => ({ partition: 1, value: "x", timestamp: String(start + number * 1000) })),
    });
    const found = await admin.fetchTopicOffsetsByTimestamp(topic, start + 60000);
    const { offset } = found.find(({ partition }) => partition === 1);
    if (offset !== "60") throw new Error(`offset by time is ${offset}, expected 60`);
    await admin.deleteTopicRecords({ topic, partitions: [{ partition: 1, offset: "10" }] });
    const { low } = (await admin.fetchTopicOffsets(topic)).find(({ partition }) => partition === 1);
    if (low !== "10") throw new Error(`low offset is ${low}, expected 10`);
    await admin.deleteTopics({ topics: [topic] });
    await Promise.all([producer.disconnect(), admin.disconnect()]);
  },
};

checks[check]().then(
  () => console.log("ok"),
  (failure) => { console.error(failure); process.exit(1); },
);
