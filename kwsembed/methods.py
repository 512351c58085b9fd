"""What can be asked for by name: remedies for imbalance and pretrainings, with their options; searches.

A method is written `NAME` or `NAME:OPTION=VALUE,...`, such as `focal:gamma=1.5`, in configs, on the command
line and in results. Here are names, options and defaults; what they mean in code is
`kwsembed.training.rebalancing` and `kwsembed.pretraining.objectives`.
"""

from __future__ import annotations

from kwsembed.method_options import Method, Option, parse_method

__all__ = [
    "LITTLE_AUDIO_WINDOWS",
    "MILD",
    "PRETRAININGS",
    "REBALANCINGS",
    "TEACHER",
    "Method",
    "Option",
    "parse_method",
]


TEACHER = "teacher"
"""The pretraining that imitates the model of `TrainConfig.teacher`."""

MILD = "mild"
"""The remedy that looks how much audio of events there is."""

LITTLE_AUDIO_WINDOWS = 22.0
"""Windows of the median event below which there is little audio of events, if nothing else is asked for."""


def _table(*methods: Method) -> dict[str, Method]:
    return {method.name: method for method in methods}


REBALANCINGS = _table(
    Method(
        "class_weight",
        "cross entropy, class weights in inverse proportion to class size to the power of `strength`",
        "King, Zeng 2001",
        {"strength": Option(1.0, 0.0, 2.0)},
    ),
    Method(
        MILD,
        "labels drawn by the square root of their size; where the median event has fewer windows than "
        "`adjusted_below`, logits raised in training by the log of how often labels are drawn",
        "Mahajan et al. 2018, arXiv:1805.00932; Menon et al. 2021, arXiv:2007.07314, equation 10",
        {"adjusted_below": Option(LITTLE_AUDIO_WINDOWS, 0.0, 1_000_000.0)},
    ),
    Method("oversample", "events drawn as often as the largest class", "Japkowicz, Stephen 2002", {}),
    Method(
        "undersample",
        "background drawn `ratio` times as often as events",
        "Japkowicz, Stephen 2002",
        {"ratio": Option(10.0, 0.01, 10_000)},
    ),
    Method("none", "plain cross entropy on natural draws", "", {}),
    Method(
        "effective_number",
        "class weights by the effective number of clips",
        "Cui et al. 2019, arXiv:1901.05555, equation 9",
        {"beta": Option(0.999, 0.0, 0.999999)},
    ),
    Method(
        "focal",
        "cross entropy that plays down what is already right",
        "Lin et al. 2017, arXiv:1708.02002, equation 4",
        {"gamma": Option(2.0, 0.0, 10.0)},
    ),
    Method(
        "logit_adjusted",
        "cross entropy on logits raised by the log of how often classes are drawn, size to the `draw_power`",
        "Menon et al. 2021, arXiv:2007.07314, equation 10; Ren et al. 2020, arXiv:2007.10740, equation 3",
        {"tau": Option(1.0, 0.0, 10.0), "draw_power": Option(1.0, 0.1, 1.0)},
    ),
    Method(
        "logit_adjusted_post_hoc",
        "plain cross entropy; the log prior is taken off the trained network's logits",
        "Menon et al. 2021, arXiv:2007.07314, equation 9",
        {"tau": Option(1.0, 0.0, 10.0)},
    ),
    Method(
        "ldam_drw",
        "margins that grow as classes shrink; class weights in the last part of training only",
        "Cao et al. 2019, arXiv:1906.07413, equation 13",
        {
            "max_margin": Option(0.5, 0.0, 2.0),
            "scale": Option(16.0, 1.0, 100.0),
            "beta": Option(0.999, 0.0, 0.999999),
            "deferred_share": Option(0.2, 0.05, 0.95),
        },
    ),
    Method(
        "decoupled",
        "plain cross entropy on natural draws, then the head alone anew on balanced ones (cRT)",
        "Kang et al. 2020, arXiv:1910.09217, section 4.1",
        {"head_share": Option(0.2, 0.05, 0.95)},
    ),
)

# Clips per cluster, most clusters of a class, epochs between two clusterings.
_CLUSTER_OPTIONS = {
    "cluster_size": Option(20.0, 1.0, 100_000.0),
    "cluster_limit": Option(32.0, 1.0, 1_000.0),
    "recluster_epochs": Option(1.0, 1.0, 1_000.0),
}

# Factor on squared distances, margin of all headers.
_HEADER_OPTIONS = {"scale": Option(8.0, 0.1, 100.0), "margin": Option(0.1, 0.0, 2.0)}

PRETRAININGS = _table(
    Method(
        "clustering",
        "triple-header cross entropy over per-class clusters",
        "reconstruction after Arora et al. 2019 and Huang et al. 2016",
        _CLUSTER_OPTIONS
        | _HEADER_OPTIONS
        | {
            "siblings": Option(0.25, 0.0, 10.0),
            "strangers": Option(0.25, 0.0, 10.0),
            "by_class": Option(1.0, 0.0, 10.0),
            # A class's logit: the log of the mean over its clusters (1) or of the sum (0).
            "mean_over_clusters": Option(1, 0, 1, whole=True),
            # Trained from the first clustering on (1), or means that every clustering sets anew (0).
            "learned_centroids": Option(1, 0, 1, whole=True),
        },
    ),
    Method(
        "clustering_logistic",
        "triple-header loss as a chain of logistic links",
        "reconstruction after Arora et al. 2019 and Huang et al. 2016",
        _CLUSTER_OPTIONS
        | _HEADER_OPTIONS
        | {
            "own": Option(0.25, 0.0, 10.0),
            "siblings": Option(0.25, 0.0, 10.0),
            "strangers": Option(1.0, 0.0, 10.0),
        },
    ),
    Method(
        "lmle",
        "quintuplet hinge on clusters, mined in the batch",
        "Huang et al. 2016, section 3",
        _CLUSTER_OPTIONS | {"margin": Option(0.2, 0.0, 4.0)},
    ),
    Method(
        "magnet",
        "density around the centroids of clusters",
        "Rippel et al. 2015, arXiv:1511.05939, section 3",
        _CLUSTER_OPTIONS | {"margin": Option(1.0, 0.0, 20.0)},
    ),
    Method(
        "siamese",
        "contrastive loss over the pairs of a batch",
        "Hadsell, Chopra, LeCun 2006, equation 4",
        {"margin": Option(1.0, 0.01, 2.0)},
    ),
    Method(
        "triplet_batch_hard",
        "hardest positive against hardest negative of the batch, soft margin",
        "Hermans, Beyer, Leibe 2017, arXiv:1703.07737, equation 5",
        {"scale": Option(1.0, 0.1, 100.0)},
    ),
    Method(
        "triplet_semi_hard",
        "every positive against the nearest negative that is farther away",
        "Schroff, Kalenichenko, Philbin 2015, arXiv:1503.03832, section 3",
        {"margin": Option(0.2, 0.001, 4.0)},
    ),
    Method(
        "supervised_contrastive",
        "softmax over the batch in which all of the own class are positives",
        "Khosla et al. 2020, arXiv:2004.11362, equation 2",
        {"temperature": Option(0.1, 0.01, 10.0)},
    ),
    Method(
        "prototypical",
        "softmax over distances to the classes' means in the batch",
        "Snell, Swersky, Zemel 2017, arXiv:1703.05175, equations 1 and 2",
        {"scale": Option(8.0, 0.1, 100.0)},
    ),
    Method(
        "normalised_softmax",
        "softmax over cosines to one learned proxy per class",
        "Zhai, Wu 2019, arXiv:1811.12649, section 3",
        {"scale": Option(20.0, 1.0, 100.0)},
    ),
    Method(
        "center",
        "normalised softmax, and half the squared distance to the learned centre of the class",
        "Wen et al. 2016, equation 5",
        {"weight": Option(1.0, 0.0, 100.0), "scale": Option(20.0, 1.0, 100.0)},
    ),
    Method(
        "soft_triple",
        "softmax over classes of several learned centres each",
        "Qian et al. 2019, arXiv:1909.05235, section 3",
        {
            "centers": Option(10, 1, 100, whole=True),
            "scale": Option(20.0, 1.0, 100.0),
            "margin": Option(0.01, 0.0, 1.0),
        },
    ),
    Method(
        "proxy_anchor",
        "learned proxies pull their class and push the rest of the batch, the hardest most",
        "Kim et al. 2020, arXiv:2003.13911, equation 4",
        {"scale": Option(32.0, 1.0, 100.0), "margin": Option(0.1, 0.0, 1.0)},
    ),
    Method(
        "exemplar",
        "normalised softmax over classes, and one over training clips, each a class of its own",
        "after Dosovitskiy et al. 2014, arXiv:1406.6909",
        {"clips": Option(0.5, 0.0, 10.0), "scale": Option(16.0, 1.0, 100.0)},
    ),
    Method(
        TEACHER,
        "what another, trained model says of the same audio; if asked for, a normalised softmax over classes",
        "after Romero et al. 2014, arXiv:1412.6550, equation 3; Beyer et al. 2022, arXiv:2106.05237",
        {
            "by_class": Option(0.0, 0.0, 10.0),
            "dims": Option(64, 1, 1024, whole=True),
            "windows": Option(32_000, 1, 10_000_000, whole=True),
        },
        # What a teacher knows, it knows of background too, of which there is the most to hear.
        sampling="square_root",
    ),
)


SEARCHES = ("random", "bayesian")
"""Ways in which a search proposes settings; see `kwsembed.tuning.oracle`."""

SEARCH_GROUPS = ("class_weights", "rebalance", "pretrain", "sublabels", "width", "learning_rate")
"""Settings that are searched together or not at all; see `kwsembed.tuning.space`."""
