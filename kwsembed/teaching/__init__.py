"""Learning from a teacher: another, trained model, whose view of the training audio is imitated."""

from __future__ import annotations

from kwsembed.teaching.answers import ask_teacher
from kwsembed.teaching.head import TeacherHead, fit_head
from kwsembed.teaching.targets import TeacherTargets, teacher_targets
from kwsembed.teaching.teacher import Teacher, load_teacher

__all__ = [
    "Teacher",
    "TeacherHead",
    "TeacherTargets",
    "ask_teacher",
    "fit_head",
    "load_teacher",
    "teacher_targets",
]
