"""Scores of an earlier prototype on the chain and on the Gaussian team, for `trust_region_games`."""

# The prototype's scores by (game, step, agents, batch, size); in the order of the rules named.
EXPECTED: dict[tuple[str, str, int, int, float], dict[str, float]] = {
    ("chain", "clip", 4, 400, 0.05): {"is": 0.987, "clip": 0.975, "none": 0.975},
    ("chain", "clip", 8, 400, 0.05): {"is": 0.987, "clip": 0.991, "none": 0.989},
    ("chain", "clip", 16, 400, 0.05): {"is": 0.972, "clip": 0.983, "none": 0.983},
    ("chain", "clip", 32, 400, 0.05): {"is": 0.980, "clip": 0.991, "none": 0.986},
    ("chain", "clip", 64, 400, 0.05): {"is": 0.667, "clip": 0.983, "none": 0.981},
    ("chain", "clip", 64, 1600, 0.05): {"is": 0.918, "clip": 0.996, "none": 0.999},
    ("chain", "natural", 64, 400, 0.001): {"is": 0.847, "clip": 0.855, "none": 0.848},
    ("chain", "natural", 64, 400, 0.005): {"is": 0.969, "clip": 0.982, "none": 0.987},
    ("chain", "natural", 64, 400, 0.02): {"is": 0.880, "clip": 0.979, "none": 0.973},
    ("team", "clip", 4, 250, 5e-4): {"is": -0.1521, "clip": -0.1522, "none": -0.1530},
    ("team", "clip", 4, 250, 5e-3): {"is": -0.0195, "clip": -0.0178, "none": -0.0224},
    ("team", "clip", 16, 250, 5e-4): {"is": -0.1684, "clip": -0.1682, "none": -0.1691},
    ("team", "clip", 16, 250, 2e-3): {"is": -0.1173, "clip": -0.1126, "none": -0.1241},
    ("team", "clip", 16, 250, 5e-3): {
        "is": -0.0738, "clip": -0.0436, "none": -0.0865,
        "max 5": -0.0359, "max 2": -0.0335, "max 1.2": -0.0383, "two-sided": -0.0738,
    },
    ("team", "clip", 32, 250, 5e-4): {"is": -0.1767, "clip": -0.1758, "none": -0.1764},
    ("team", "clip", 32, 250, 2e-3): {"is": -0.1446, "clip": -0.1275, "none": -0.1440},
    ("team", "clip", 32, 250, 5e-3): {"is": -0.1113, "clip": -0.0516, "none": -0.1312},
    ("team", "natural", 4, 250, 0.001): {"is": -0.0973, "clip": -0.0967, "none": -0.1005},
    ("team", "natural", 4, 250, 0.01): {"is": -0.0224, "clip": -0.0188, "none": -0.0221},
    ("team", "natural", 4, 250, 0.05): {"is": -0.0148, "clip": -0.0104, "none": -0.0114},
    ("team", "natural", 16, 250, 0.001): {"is": -0.1351, "clip": -0.1307, "none": -0.1354},
    ("team", "natural", 16, 250, 0.01): {"is": -0.0965, "clip": -0.0682, "none": -0.0757},
    ("team", "natural", 16, 250, 0.05): {"is": -0.1000, "clip": -0.0440, "none": -0.0496},
}  # fmt: skip
