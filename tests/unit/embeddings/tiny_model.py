"""A sentence model small enough to check by hand, in the real file formats: ONNX, tokenizer.json, tar.gz.

The ONNX file is written byte by byte in protobuf (onnx.proto3: field numbers below), so that no test needs the package
`onnx`. The graph is hidden = table[input_ids] + types[token_type_ids]; the rows that a right use never reads (the
padding token, type 1) hold large numbers, so that a wrong mask or type shows.
"""

import hashlib
import io
import tarfile

import numpy as np

VOCABULARY = {"[PAD]": 0, "[UNK]": 1, "[CLS]": 2, "[SEP]": 3, "red": 4, "green": 5, "apple": 6}
TABLE = np.array(
    [[900, -900, 900], [0, 0, 1], [1, 0, 0], [0, 1, 0], [2, 0, 1], [0, 2, 1], [1, 1, 4]],
    np.float32,
)
TYPES = np.array([[0, 0, 0], [500, 500, 500]], np.float32)

INT64, FLOAT = 7, 1


def _varint(number: int) -> bytes:
    parts = bytearray()
    while number > 0x7F:
        parts.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*parts, number])


def _field(number: int, value: int | str | bytes) -> bytes:
    if isinstance(value, int):
        return _varint(number << 3) + _varint(value)
    data = value.encode() if isinstance(value, str) else value
    return _varint(number << 3 | 2) + _varint(len(data)) + data


def _tensor(name: str, array: np.ndarray) -> bytes:
    dims = b"".join(_field(1, size) for size in array.shape)
    return dims + _field(2, FLOAT) + _field(8, name) + _field(9, array.astype("<f4").tobytes())


def _value(name: str, element_type: int, dims: tuple[str | int, ...]) -> bytes:
    shape = b"".join(_field(1, _field(1, dim) if isinstance(dim, int) else _field(2, dim)) for dim in dims)
    return _field(1, name) + _field(2, _field(1, _field(1, element_type) + _field(2, shape)))


def _node(kind: str, inputs: list[str], output: str) -> bytes:
    return b"".join(_field(1, each) for each in inputs) + _field(2, output) + _field(3, output) + _field(4, kind)


def tiny_onnx() -> bytes:
    """Return the bytes of the ONNX model described above."""
    graph = b"".join(
        [
            _field(1, _node("Gather", ["table", "input_ids"], "words")),
            _field(1, _node("Gather", ["types", "token_type_ids"], "kinds")),
            _field(1, _node("Add", ["words", "kinds"], "last_hidden_state")),
            _field(2, "tiny"),
            _field(5, _tensor("table", TABLE)),
            _field(5, _tensor("types", TYPES)),
            *(
                _field(11, _value(name, INT64, ("batch", "tokens")))
                for name in ("input_ids", "attention_mask", "token_type_ids")
            ),
            _field(12, _value("last_hidden_state", FLOAT, ("batch", "tokens", TABLE.shape[1]))),
        ]
    )
    return _field(1, 8) + _field(7, graph) + _field(8, _field(1, "") + _field(2, 13))


def tiny_tokenizer() -> bytes:
    """Return a tokenizer.json that, like the real one, asks for padding to a fixed length."""
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors

    tokenizer = Tokenizer(models.WordLevel(VOCABULARY, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.Lowercase()
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    tokenizer.enable_padding(pad_id=0, pad_token="[PAD]", length=128)
    return tokenizer.to_str().encode()


def expected_vector(words: list[str]) -> np.ndarray:
    """Return the unit vector of a text of known words, computed by hand in float64."""
    ids = [2, *(VOCABULARY.get(word, 1) for word in words), 3]
    mean = TABLE[ids].astype(np.float64).mean(axis=0)
    return mean / np.sqrt((mean**2).sum())


def pack(files: dict[str, bytes]) -> bytes:
    """Return a tar.gz of the files."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as tar:
        for name, data in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            tar.addfile(member, io.BytesIO(data))
    return packed.getvalue()


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
