"""Metric maths of CloudWatch, as far as ratios need it: + - * /, parentheses, numbers and FILL.

Moto only repeats a metric by its id. As on CloudWatch, a moment at which a metric has no data point
has no result, unless FILL(metric, number) gives it one, and a division by zero has none either.
"""

from __future__ import annotations

import ast
import operator
from collections.abc import Callable, Mapping
from typing import TypeVar

Moment = TypeVar("Moment")

_OPERATIONS: dict[type[ast.operator], Callable[[float, float], float]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
}
_FILL = "FILL"
_FILL_ARGUMENTS = 2


def calculate(expression: str, series: Mapping[str, Mapping[Moment, float]]) -> dict[Moment, float]:
    """Values by moment, in the order of the moments of the metrics named.

    Raises ValueError for an unknown metric and for what is not served.
    """
    try:
        tree = ast.parse(expression.strip(), mode="eval").body
    except SyntaxError as error:
        raise ValueError(f"metric maths {expression!r} cannot be read: {error.msg}") from None
    moments: dict[Moment, None] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and node.id != _FILL:
            if node.id not in series:
                raise _refused(node)
            moments |= dict.fromkeys(series[node.id])
    found = {moment: _value(tree, series, moment) for moment in moments}
    return {moment: value for moment, value in found.items() if value is not None}


def _value(
    node: ast.expr, series: Mapping[str, Mapping[Moment, float]], moment: Moment
) -> float | None:
    match node:
        case ast.Constant(value=int() | float() as number):
            return float(number)
        case ast.Name(id=name) if name != _FILL:
            return series[name].get(moment)
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            value = _value(operand, series, moment)
            return None if value is None else -value
        case ast.BinOp(left=left, op=op, right=right) if type(op) in _OPERATIONS:
            first, second = _value(left, series, moment), _value(right, series, moment)
            if first is None or second is None or (isinstance(op, ast.Div) and second == 0):
                return None
            return _OPERATIONS[type(op)](first, second)
        case ast.Call(func=ast.Name(id=name), args=arguments) if (
            name == _FILL and len(arguments) == _FILL_ARGUMENTS
        ):
            value = _value(arguments[0], series, moment)
            return _value(arguments[1], series, moment) if value is None else value
    raise _refused(node)


def _refused(node: ast.expr) -> ValueError:
    return ValueError(
        f"metric maths {ast.unparse(node)!r} is not served by the local cloud; use ids of the same "
        "request, numbers, + - * / and FILL(metric, number)"
    )
