# The half of a pod that outlives the server, and holds its network, its disk and the tools that hurt them.
ARG BASE
FROM ${BASE} AS base
# A testing suite's Release file may be past its date.
RUN printf '%s\n' 'Acquire::Check-Valid-Until "false";' 'APT::Install-Recommends "false";' \
      > /etc/apt/apt.conf.d/99-build \
 && printf '%s\n' 'path-exclude=/usr/share/doc/*' 'path-exclude=/usr/share/locale/*' \
      > /etc/dpkg/dpkg.cfg.d/99-build

FROM base AS programs
RUN apt-get update \
 && apt-get install -y gcc libc6-dev \
 && rm -rf /var/lib/apt/lists/*
COPY disk_shim /disk_shim
COPY late_links /late_links
RUN mkdir /built && /disk_shim/build.sh /built && /late_links/build.sh /built

FROM base AS agent
RUN apt-get update \
 && apt-get install -y openjdk-17-jdk-headless libasm-java \
 && rm -rf /var/lib/apt/lists/*
COPY failpoints /failpoints
RUN mkdir /built && /failpoints/build.sh /built

FROM base AS sandbox
RUN apt-get update \
 && apt-get install -y nftables iptables iproute2 libfaketime \
 && rm -rf /var/lib/apt/lists/* \
 && mkdir /data && chown 1000:1000 /data
COPY --from=programs /built/libdisk_shim.so /usr/lib/
COPY --from=programs /built/disk-nemesis /built/late-links /built/link-rtt /usr/bin/
COPY --from=agent /built/failpoints.jar /usr/lib/
COPY sandbox.sh /sandbox.sh
ENTRYPOINT ["/sandbox.sh"]
