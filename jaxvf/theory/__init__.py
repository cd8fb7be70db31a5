"""Theory: what a learner represents, beside what it was asked to learn."""

from jaxvf.theory.joint_values import JointValues, joint_values

__all__ = ["JointValues", "joint_values"]
