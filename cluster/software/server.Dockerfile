# A ZooKeeper from Debian's packages that keeps the contract of the official image (/conf/zoo.cfg, /data,
# /datalog, ZK_SERVER_HEAP, SERVER_JVMFLAGS, uid 1000).
ARG BASE
FROM ${BASE} AS base
# A testing suite's Release file may be past its date.
RUN printf '%s\n' 'Acquire::Check-Valid-Until "false";' 'APT::Install-Recommends "false";' \
      > /etc/apt/apt.conf.d/99-build \
 && printf '%s\n' 'path-exclude=/usr/share/doc/*' 'path-exclude=/usr/share/locale/*' \
      > /etc/dpkg/dpkg.cfg.d/99-build

FROM base AS jars
# Only the jars: the package's dependencies would bring another JRE and some 900 MB of servlet engines.
WORKDIR /debs
RUN apt-get update \
 && apt-get download libzookeeper-java libnetty-java libslf4j-java libdropwizard-metrics-java \
      libsnappy-java libcommons-cli-java libcommons-io-java liblog4j1.2-java \
      libjackson2-core-java libjackson2-databind-java libjackson2-annotations-java \
 && { apt-get download libnetty-buffer-java libnetty-common-java 2>/dev/null || true; } \
 && for deb in *.deb; do dpkg -x "$deb" /unpacked; done \
 && mkdir /jars && cd /unpacked/usr/share/java \
 && for name in zookeeper zookeeper-jute slf4j-api slf4j-log4j12 log4j-1.2 metrics-core snappy-java \
      commons-cli commons-io jackson-annotations jackson-core jackson-databind netty-buffer netty-codec \
      netty-common netty-handler netty-resolver netty-transport netty-transport-native-epoll \
      netty-transport-native-unix-common; do cp -L "$name.jar" /jars/; done

FROM base AS server
ARG JRE
RUN apt-get update \
 && apt-get install -y ${JRE} \
 && rm -rf /var/lib/apt/lists/* \
 && groupadd --gid 1000 zookeeper \
 && useradd --uid 1000 --gid zookeeper --no-create-home --shell /usr/sbin/nologin zookeeper \
 && mkdir /conf /data /datalog /logs \
 && chown zookeeper:zookeeper /conf /data /datalog /logs
COPY --from=jars /jars /debian/lib
COPY server.sh archive.sh log4j.properties logback.xml /debian/
RUN /debian/archive.sh
USER zookeeper
WORKDIR /data
EXPOSE 2181
ENTRYPOINT ["/debian/server.sh"]
