"""How the crossing is drawn: roads, cars with their routes, and where they have arrived. y is turned round."""

import numpy as np
from jaxtyping import Bool, Float, Int

from jaxvf.envs.intersection import roads
from jaxvf.envs.intersection.numbers import IntersectionParams
from jaxvf.envs.intersection.roads import ARM, CROSSING, LANES, N_ARMS, OFFSET, OUT
from jaxvf.envs.pictures import (
    BLUE,
    GREEN,
    INK,
    ORANGE,
    PINK,
    WHITE,
    Box,
    Circle,
    Key,
    Line,
    Rectangle,
    Scene,
    Shape,
    Text,
    cross,
)

COLOURS = (BLUE, ORANGE, GREEN, PINK)
ASPHALT, MARKING, DONE = "#DADADA", "#F7F7F7", "#8FCDB8"
ROAD = 2 * OFFSET  # from the road's middle to its side
REACH = ARM + CROSSING
SEEN = 52.0  # metres from the middle that the view reaches at most
DASH, DOT = 3.0, 1.6  # metres: of a road's marking, between the points of a route
LEGEND = (
    *(Key("bar", colour, f"car {car}") for car, colour in enumerate(COLOURS)),
    Key("line", DONE, "arrived"), Key("cross", INK, "crashed"),
)  # fmt: skip


def crossing(
    position: Float[np.ndarray, "N 2"],
    heading: Float[np.ndarray, "N"],
    way: Int[np.ndarray, "N"],
    crashed: Bool[np.ndarray, "N"],
    params: IntersectionParams,
) -> Scene:
    """Cars as bars with their number, their routes dotted, a cross on who has crashed."""
    shapes = [*_roads(), *_arrivals(float(params.arrival_distance))]
    for car, colour in enumerate(COLOURS):
        shapes += _route(car, int(way[car]), colour, float(params.arrival_distance))
    for car, colour in enumerate(COLOURS):
        shapes += _car(position[car], float(heading[car]), f"{car}", colour, params)
    for car in np.flatnonzero(crashed):
        shapes += cross(float(position[car, 0]), -float(position[car, 1]), 1.4, INK, 0.5)
    x, y = np.clip(position[:, 0], -SEEN, SEEN), np.clip(-position[:, 1], -SEEN, SEEN)
    action = Box(float(x.min()) - 4, float(y.min()) - 4, float(x.max()) + 4, float(y.max()) + 4)
    return Scene(2 * REACH, 2 * REACH, tuple(shapes), x=-REACH, y=-REACH, action=action, legend=LEGEND)


def _roads() -> list[Shape]:
    shapes: list[Shape] = [
        Rectangle(-ROAD, -REACH, 2 * ROAD, 2 * REACH, ASPHALT),
        Rectangle(-REACH, -ROAD, 2 * REACH, 2 * ROAD, ASPHALT),
        Rectangle(-CROSSING, -CROSSING, 2 * CROSSING, 2 * CROSSING, ASPHALT),
    ]
    corner = CROSSING - ROAD  # radius of the kerb
    shapes += [Circle(x * CROSSING, y * CROSSING, corner, WHITE) for x in (-1, 1) for y in (-1, 1)]
    for start in np.arange(CROSSING, REACH - DASH, 2 * DASH).tolist():
        for near, far in ((start, start + DASH), (-start, -start - DASH)):
            shapes += [Line(near, 0, far, 0, MARKING, 0.3), Line(0, near, 0, far, MARKING, 0.3)]
    return shapes


def _arrivals(distance: float) -> list[Shape]:
    """A bar across every exit lane, where a car has arrived."""
    shapes: list[Shape] = []
    for arm in range(N_ARMS):
        lane = LANES.anchor[arm, roads.LEFT, OUT], LANES.direction[arm, roads.LEFT, OUT]
        middle, (dx, dy) = lane[0] + distance * lane[1], lane[1]
        shapes.append(
            Line(
                float(middle[0] - OFFSET * dy), float(-middle[1] - OFFSET * dx),
                float(middle[0] + OFFSET * dy), float(-middle[1] + OFFSET * dx), DONE, 0.8,
            )
        )  # fmt: skip
    return shapes


def _route(car: int, way: int, colour: str, exit_length: float) -> list[Shape]:
    """Dots along the middle of a car's lanes, from its approach to where it arrives."""
    last = roads.ROUTE_TO_EXIT[way] + exit_length
    points = [_point(car, way, along) for along in np.arange(ARM - SEEN, last, DOT).tolist()]
    return [Circle(x, y, 0.16, colour) for x, y in points]


def _point(car: int, way: int, along: float) -> tuple[float, float]:
    segment = int(along > ARM) + int(along > roads.ROUTE_TO_EXIT[way])
    along -= (0.0, ARM, float(roads.ROUTE_TO_EXIT[way]))[segment]
    lane = roads.Lanes(*(table[car, way, segment] for table in LANES))
    angle = lane.phase + lane.turn * along / lane.radius
    spoke = np.array([np.cos(angle), np.sin(angle)])
    x, y = lane.anchor + (lane.radius * spoke if lane.arc else along * lane.direction)
    return float(x), -float(y)


def _car(
    position: Float[np.ndarray, "2"], heading: float, label: str, colour: str, params: IntersectionParams
) -> list[Shape]:
    x, y, half = float(position[0]), -float(position[1]), float(params.length) / 2
    ahead, up = float(np.cos(heading)), -float(np.sin(heading))
    body = Line(x - half * ahead, y - half * up, x + half * ahead, y + half * up, colour, float(params.width))
    rear, front = 0.5 * half, 0.7 * half
    glass = (x + rear * ahead, y + rear * up, x + front * ahead, y + front * up)
    window = Line(*glass, colour=WHITE, width=0.8 * float(params.width))
    return [body, window, Text(x - 0.25 * half * ahead, y - 0.25 * half * up, label, 1.7, WHITE)]
