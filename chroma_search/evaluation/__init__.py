"""How good an answer is: metrics over rankings and over nearest neighbours."""

from chroma_search.evaluation.metrics import ann_recall_at_k, mrr_at_k, ndcg_at_k, recall_at_k

__all__ = ["ann_recall_at_k", "mrr_at_k", "ndcg_at_k", "recall_at_k"]
