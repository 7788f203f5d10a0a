"""Patients that the VAE and the other networks of the gate are never trained on."""

TEST = frozenset(
    {
        "ACRIN-FLT-Breast_013",
        "TCGA-17-Z021",
        "TCGA-17-Z029",
        "TCGA-17-Z034",
        "TCGA-17-Z043",
        "TCGA-17-Z051",
        "TCGA-50-5044",
        "TCGA-50-6594",
        "TCGA-50-6673",
        "TCGA-60-2695",
        "TCGA-60-2715",
        "TCGA-60-2724",
        "TCGA-92-8063",
        "openms_p04",
        "tcga_fg_6692",
    }
)
"""Not looked at when the limits of the gate's networks were chosen (two of ct-denoise's own limits were set
after a look at them: its model card); the first thirteen are also held out by ct-denoise."""

DEVELOPMENT = frozenset(
    {
        "TCGA-17-Z028",
        "TCGA-34-5234",
        "TCGA-50-6595",
        "TCGA-50-8459",
        "TCGA-50-8460",
        "TCGA-60-2696",
        "openms_mni_p19",
    }
)
"""On these the gate's limits were chosen, beside the bundled studies. Those with a TCGA number are training
patients of ct-denoise."""

HELD_OUT = TEST | DEVELOPMENT
"""A third of the single-slice CT patients, one CT volume, three MR patients."""
