from django.forms import ModelForm
from django.http import HttpResponse
from django.shortcuts import redirect, render

from .models import Note


class NoteForm(ModelForm):
    class Meta:
        model = Note
        fields = ["text"]


def page(request):
    form = NoteForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        form.save()
        return redirect("/")
    return render(request, "notes.html", {"form": form, "notes": Note.objects.all()[:50]})


def healthz(request):
    Note.objects.exists()
    return HttpResponse("ok")
