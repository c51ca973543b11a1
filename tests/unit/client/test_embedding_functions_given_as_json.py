"""A function that a configuration names in JSON embeds texts in the process that created the collection, too."""

import chroma_search


def test_a_function_given_as_json_embeds_texts():
    client = chroma_search.EphemeralClient()
    function = chroma_search.LsaEmbeddingFunction(n_components=2)
    named = {"type": "known", "name": function.name(), "config": function.get_config()}
    collection = client.create_collection("of-json", configuration={"embedding_function": named})
    texts = ["cats and dogs", "dogs and wolves", "ships at sea", "boats and ships"]
    collection.add(["a", "b", "c", "d"], documents=texts)
    assert collection.query(query_texts=["ships"], n_results=2)["ids"][0][0] in {"c", "d"}
    client.delete_collection("of-json")
