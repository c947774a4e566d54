"""The public names and their modules, for `__init__.py` and type checkers."""

from . import labs as labs
from . import plots as plots
from .checkpoints import continue_run as continue_run
from .checkpoints import load_checkpoint as load_checkpoint
from .checkpoints import read_metadata as read_metadata
from .checkpoints import save_checkpoint as save_checkpoint
from .checkpoints import save_run as save_run
from .data import DataError as DataError
from .data import Mnist as Mnist
from .data import Split as Split
from .data import load_mnist as load_mnist
from .errors import MnistNbError as MnistNbError
from .evaluation import evaluate as evaluate
from .evaluation import wilson_interval as wilson_interval
from .files import CheckpointError as CheckpointError
from .handwriting.adaptation import adapt as adapt
from .handwriting.digit_files import DigitsError as DigitsError
from .handwriting.my_digits import MyDigits as MyDigits
from .handwriting.numbers import read_number as read_number
from .handwriting.pictures import find_ink as find_ink
from .handwriting.pictures import from_image as from_image
from .handwriting.preprocessing import EmptySketchError as EmptySketchError
from .handwriting.pretrained import load_pretrained as load_pretrained
from .handwriting.refusal import digit_score as digit_score
from .handwriting.sketch import Sketch as Sketch
from .labs.exercises import check as check
from .labs.presets import PRESETS as PRESETS
from .labs.quick_training import load_or_train as load_or_train
from .models import build_model as build_model
from .models import predict as predict
from .training import EpochRecord as EpochRecord
from .training import Hyperparameters as Hyperparameters
from .training import TrainingDivergedError as TrainingDivergedError
from .training import TrainingRun as TrainingRun
from .training import train as train
from .widgets.pad import DrawingPad as DrawingPad
from .widgets.page import export_page as export_page
from .widgets.studio import TrainingStudio as TrainingStudio

__version__: str
