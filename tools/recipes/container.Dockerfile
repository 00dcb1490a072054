# A container of the commands, for any user, with kernels compiled when it is built.
#
#     docker build -f tools/recipes/container.Dockerfile -t ooc .
#     docker run --rm --memory 512m --user "$(id -u)" -v "$PWD:/data" ooc \
#         ooc-convert reviews.csv -o reviews.h5
#
# It is without TensorFlow, and draws no pages.  For pages, sepcnn and models of your own, install
# "/source[plots]" instead.

FROM python:3.12-slim

COPY . /source
RUN pip install --no-cache-dir h5py isal numba numpy orjson tqdm xxhash \
    && pip install --no-cache-dir --no-deps /source

# Kernels lie beside the package, where only root can write.  On another processor than that of the
# build they are compiled again, into a folder below TMPDIR.
RUN bash /source/tools/recipes/compile_kernels.sh && rm -rf /source

WORKDIR /data
# The limit of the container's memory is found and kept: no option is needed.
CMD ["ooc", "--help"]
