// OHIF's settings: this Orthanc's DICOMweb as the one source of data, original | result | difference side by side,
// and a mark on every image that this node has made. The link of a job's page names the series.
(() => {
  const root = location.pathname.replace(/\/orthogen\/ohif(\/.*)?$/, '');
  const asked = new URLSearchParams(location.search);
  const PRODUCT = 'Orthogen';

  const made = instance =>
    instance?.ManufacturerModelName === PRODUCT ||
    [].concat(instance?.ContributingEquipmentSequence ?? []).some(each => each?.Manufacturer === PRODUCT);

  const series = name => ({
    seriesMatchingRules: [
      {
        attribute: 'SeriesInstanceUID',
        constraint: { equals: { value: asked.get(name) ?? 'none' } },
        required: true,
        weight: 1,
      },
    ],
  });

  const viewport = (id, sameWindow) => ({
    viewportOptions: {
      toolGroupId: 'default',
      viewportType: 'stack',
      syncGroups: [
        { type: 'imageslice', id: 'slices', source: true, target: true },
        { type: 'zoompan', id: 'zoompan', source: true, target: true },
        ...(sameWindow ? [{ type: 'voi', id: 'window', source: true, target: true }] : []),
      ],
    },
    displaySets: [{ id }],
  });

  const stage = (name, ids) => ({
    id: name,
    name,
    viewportStructure: { layoutType: 'grid', properties: { rows: 1, columns: ids.length } },
    viewports: ids.map(id => viewport(id, id !== 'difference')),
  });

  const compare = {
    id: '@orthogen/compare',
    name: 'Original, result, difference',
    description: 'What the pipeline was given, what it made, and what differs',
    protocolMatchingRules: [],
    toolGroupIds: ['default'],
    numberOfPriorsReferenced: 0,
    displaySetSelectors: {
      original: series('original'),
      result: series('result'),
      difference: series('difference'),
    },
    stages: [stage('three', ['original', 'result', 'difference']), stage('two', ['original', 'result'])],
  };

  window.config = {
    name: 'orthogen',
    routerBasename: `${root}/orthogen/ohif`,
    showStudyList: true,
    extensions: [
      {
        id: '@orthogen/extension',
        getHangingProtocolModule: () => [{ name: compare.id, protocol: compare }],
      },
    ],
    modes: [],
    customizationService: {
      'viewportOverlay.topLeft': {
        $push: [
          {
            id: 'OrthogenMade',
            inheritsFrom: 'ohif.overlayItem',
            color: '#ffb000',
            title: 'Made by a pipeline of this node',
            condition: ({ instance, referenceInstance }) => made(instance) || made(referenceInstance),
            contentF: () => 'AI RESULT',
          },
        ],
      },
      'ohif.tours': { $set: [] },
    },
    dataSources: [
      {
        namespace: '@ohif/extension-default.dataSourcesModule.dicomweb',
        sourceName: 'orthanc',
        configuration: {
          friendlyName: 'Orthanc',
          name: 'orthanc',
          qidoRoot: `${root}/dicom-web`,
          wadoRoot: `${root}/dicom-web`,
          wadoUriRoot: `${root}/dicom-web`,
          qidoSupportsIncludeField: false,
          supportsReject: false,
          supportsFuzzyMatching: false,
          supportsWildcard: true,
          imageRendering: 'wadors',
          thumbnailRendering: 'wadors',
          enableStudyLazyLoad: true,
          omitQuotationForMultipartRequest: true,
          bulkDataURI: { enabled: true },
        },
      },
    ],
    defaultDataSourceName: 'orthanc',
  };
})();
