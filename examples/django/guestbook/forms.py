"""The one form of the guest book."""

from __future__ import annotations

from django import forms

from .models import COLOURS, Kernel


class KernelForm(forms.ModelForm):
    """Plants a kernel."""

    colour = forms.ChoiceField(choices=COLOURS, widget=forms.RadioSelect, initial=COLOURS[0][0])

    class Meta:
        model = Kernel
        fields = ["name", "message", "colour"]
        widgets = {"message": forms.Textarea(attrs={"rows": 3})}
